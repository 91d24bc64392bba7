import assert from "node:assert/strict";
import { test } from "node:test";
import { App, type AppOptions } from "@clew/app";
import { FailingRegistry } from "@clew/registry";
import { createApp } from "./demo-app.ts";

test("times that are none are refused at once", () => {
  for (const option of ["startTimeoutMs", "registrarTimeoutMs", "stopTimeoutMs"]) {
    assert.throws(() => createApp({ [option]: 0 }), {
      code: "CLEW_APP_TIME",
      message: `${option} is 0; it must be a number of milliseconds from 1 to 2147483647`,
    });
  }
  assert.throws(() => createApp({ drainDelayMs: -1 }), { code: "CLEW_APP_TIME" });
  assert.throws(() => createApp({ stopTimeoutMs: Number.POSITIVE_INFINITY }), { code: "CLEW_APP_TIME" });
  assert.throws(() => createApp({ stopTimeoutMs: Number.NaN }), { code: "CLEW_APP_TIME" });
});

test("workers that are no number of processes are refused at once", () => {
  for (const workers of [0, -1, 1.5, Number.NaN, 5_000]) {
    assert.throws(() => createApp({ workers }), { code: "CLEW_APP_WORKERS" });
  }
  assert.equal(createApp({ workers: "all" }).worker, undefined);
});

test("a wrong option is an error when the app is made", () => {
  const cases: [object, string, RegExp][] = [
    [{ servers: [{}] }, "CLEW_APP_SERVER", /servers\[0\] is no server; .*start\(\) and stop\(\)/],
    [{ beforestart: [] }, "CLEW_APP_OPTION", /no option beforestart; there are id, name, .*beforeStart/],
    [{ afterStart: () => {} }, "CLEW_APP_HOOK", /afterStart must be a list of functions/],
    [{ afterStop: ["x"] }, "CLEW_APP_HOOK", /afterStop must be a list of functions/],
    [{ signals: ["SIGFOO"] }, "CLEW_APP_SIGNAL", /SIGFOO/],
    [{ registrar: {} }, "CLEW_APP_REGISTRAR", /register\(\) and deregister\(\)/],
    [{ stopTimeoutMs: "5" }, "CLEW_APP_TIME", /stopTimeoutMs is 5/],
    [{ servers: "http" }, "CLEW_APP_OPTION", /^option servers is "http"; it must be a list of servers, or a function/],
    [{ name: 5 }, "CLEW_APP_OPTION", /^option name is 5; it must be a text/],
    [{ metadata: { weight: 5 } }, "CLEW_APP_OPTION", /^option metadata\["weight"\] is 5; it must be a text/],
    [{ signals: "SIGTERM" }, "CLEW_APP_OPTION", /^option signals is "SIGTERM"; it must be a list of signals/],
    [{ signal: new AbortController() }, "CLEW_APP_OPTION", /^option signal is an object; it must be an AbortSignal/],
    [{ logger: {} }, "CLEW_APP_OPTION", /^option logger is an object; it must be a logger/],
  ];
  for (const [options, code, message] of cases) {
    assert.throws(() => createApp(options as AppOptions), { code, message }, JSON.stringify(options));
  }
});

test("an app that is to be registered needs a name", () => {
  assert.throws(() => new App({ registrar: new FailingRegistry() }), {
    code: "CLEW_APP_NAME",
    message: "an app with a registrar needs a name: callers find it by that",
  });
});
