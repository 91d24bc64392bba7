import assert from "node:assert/strict";
import { test } from "node:test";
import { App, type AppOptions } from "@clew/app";
import { FailingRegistry } from "@clew/registry";
import { createApp } from "./demo-app.ts";

test("a wrong option is an error when the app is made", () => {
  const cases: [object, RegExp][] = [
    [{ beforestart: [] }, /^an app has no option beforestart; its options are id, name, .*beforeStart/],
    [{ name: 5 }, /^option name is 5; it must be a string/],
    [{ metadata: { weight: 5 } }, /^option metadata\["weight"\] is 5; it must be a string/],
    [{ servers: "http" }, /^option servers is "http"; it must be a list of servers, or a function/],
    [{ servers: [{}] }, /^option servers\[0\] is an object; it must be a server, which has start\(\), stop\(\)/],
    [{ advertise: 5 }, /^option advertise is 5; it must be a host, or a list of URLs/],
    [{ advertise: [5] }, /^option advertise\[0\] is 5; it must be a URL/],
    [{ advertise: "a b" }, /^option advertise is "a b": it must be a host such as/],
    [
      { registrar: {} },
      /^option registrar is an object; it must be a registrar, which has register\(\), deregister\(\)/,
    ],
    [{ logger: {} }, /^option logger is an object; it must be a logger/],
    [{ signals: "SIGTERM" }, /^option signals is "SIGTERM"; it must be a list of signals/],
    [{ signals: ["SIGFOO"] }, /^option signals\[0\] is "SIGFOO"; it must be a signal .* "SIGTERM"/],
    [{ signals: ["SIGKILL"] }, /^option signals\[0\] is "SIGKILL"; it must be a signal that a process can wait for/],
    [{ signal: new AbortController() }, /^option signal is an object; it must be an AbortSignal/],
    [{ afterStart: () => {} }, /^option afterStart is a function; it must be a list of functions/],
    [{ afterStop: ["x"] }, /^option afterStop\[0\] is "x"; it must be a function/],
    [{ drainDelayMs: -1 }, /^option drainDelayMs is -1; it must be a number of milliseconds from 0 to 2147483647/],
  ];
  for (const option of ["startTimeoutMs", "registrarTimeoutMs", "stopTimeoutMs"]) {
    for (const wrong of [0, "5", Number.NaN, Number.POSITIVE_INFINITY]) {
      const message = new RegExp(`^option ${option} is .*; it must be a number of milliseconds from 1 to 2147483647`);
      cases.push([{ [option]: wrong }, message]);
    }
  }
  for (const workers of [0, -1, 1.5, Number.NaN, 5_000, "four"]) {
    cases.push([{ workers }, /^option workers is .*; it must be "all" or a whole number from 1 to 1024/]);
  }
  for (const [options, message] of cases) {
    assert.throws(
      () => createApp(options as AppOptions),
      { code: "CLEW_APP_OPTION", message },
      JSON.stringify(options),
    );
  }
  assert.equal(createApp({ workers: "all", drainDelayMs: 0 }).worker, undefined);
});

test("an app that is to be registered needs a name", () => {
  assert.throws(() => new App({ registrar: new FailingRegistry() }), {
    code: "CLEW_APP_OPTION",
    message: "an app with a registrar needs the option name: callers find the app by its name",
  });
});
