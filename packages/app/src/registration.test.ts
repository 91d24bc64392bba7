import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@clew/log";
import { createInstance, type Instance } from "@clew/registry";
import { Registration } from "./registration.ts";
import { TimeLimit } from "./time-limit.ts";

function at(endpoint: string): Instance {
  return createInstance({ id: "1", name: "demo", version: "", metadata: {}, endpoints: [endpoint] });
}

test("an app that moves while it is being registered is found where it is then, until it is deregistered", async () => {
  const events: string[] = [];
  const slow = Promise.withResolvers<void>();
  const registration = new Registration({
    registrar: {
      async register({ endpoints }) {
        events.push(`register ${endpoints}`);
        await slow.promise;
      },
      async deregister({ endpoints }) {
        events.push(`deregister ${endpoints}`);
      },
    },
    timeoutMs: 60_000,
    logger: silentLogger,
  });
  const limit = new TimeLimit("startTimeoutMs", 60_000);
  const registering = registration.register(at("http://127.0.0.1:1"), limit, new AbortController().signal);
  registration.move(at("http://127.0.0.1:2"));
  const deregistering = registration.deregister();
  slow.resolve();
  await registering;
  limit.end();
  await deregistering;
  assert.deepEqual(events, [
    "register http://127.0.0.1:1",
    "register http://127.0.0.1:2",
    "deregister http://127.0.0.1:2",
  ]);
});

test("an app that moves while it is being deregistered is not registered again", async () => {
  const events: string[] = [];
  const asked = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  const registration = new Registration({
    registrar: {
      async register({ endpoints }) {
        events.push(`register ${endpoints}`);
      },
      async deregister({ endpoints }) {
        events.push(`deregister ${endpoints}`);
        asked.resolve();
        await slow.promise;
      },
    },
    timeoutMs: 60_000,
    logger: silentLogger,
  });
  const limit = new TimeLimit("startTimeoutMs", 60_000);
  await registration.register(at("http://127.0.0.1:1"), limit, new AbortController().signal);
  limit.end();
  const deregistering = registration.deregister();
  await asked.promise;
  registration.move(at("http://127.0.0.1:2"));
  await new Promise(setImmediate);
  slow.resolve();
  await deregistering;
  assert.deepEqual(events, ["register http://127.0.0.1:1", "deregister http://127.0.0.1:1"]);
});
