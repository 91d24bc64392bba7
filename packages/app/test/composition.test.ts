import assert from "node:assert/strict";
import { test } from "node:test";
import type { Server } from "@clew/app";
import { createApp, fakeServer, hook } from "./demo-app.ts";

test("what is composed is closed after the last hook, in reverse order, and all failures are reported", async () => {
  const events: string[] = [];
  const app = createApp({
    beforeStart: [hook(events, "beforeStart")],
    async servers(resources, info) {
      assert.equal(info, app);
      await resources.use({}, hook(events, "close db", new Error("db")));
      await resources.use({}, hook(events, "close cache", new Error("cache")));
      return [fakeServer(events, "a")];
    },
    afterStart: [() => void app.stop()],
    afterStop: [hook(events, "afterStop", new Error("hook"))],
  });
  await assert.rejects(app.run(), { message: 'app "demo": 3 failures: hook; cache; db' });
  assert.deepEqual(events, ["beforeStart", "a started", "a stopped", "afterStop", "close cache", "close db"]);
});

test("a composition that fails in the middle closes what it had opened and starts nothing", async () => {
  const events: string[] = [];
  const app = createApp({
    async servers(resources) {
      await resources.use({}, hook(events, "close db"));
      throw new Error("no cache");
    },
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), { message: "no cache" });
  assert.deepEqual(events, ["afterStop", "close db"]);
});

test("a server that cannot start: what was composed is closed as well", async () => {
  const events: string[] = [];
  const failure = new Error("in use");
  const app = createApp({
    async servers(resources) {
      await resources.use({}, hook(events, "close"));
      return [fakeServer(events, "a"), fakeServer(events, "b", { start: () => Promise.reject(failure) })];
    },
  });
  await assert.rejects(app.run(), failure);
  assert.deepEqual(events, ["a started", "a stopped", "close"]);
});

test("a composition that takes too long fails, and what it opens after that is closed", async () => {
  const closed = Promise.withResolvers<string>();
  const opening = Promise.withResolvers<string>();
  const app = createApp({
    async servers(resources) {
      await resources.use(opening.promise, closed.resolve);
      return [];
    },
    startTimeoutMs: 5,
  });
  await assert.rejects(app.run(), { message: "the composition of the servers took longer than startTimeoutMs (5 ms)" });
  opening.resolve("db");
  assert.equal(await closed.promise, "db");
});

test("what a composition makes is looked at as well", async () => {
  await assert.rejects(createApp({ servers: () => [{} as Server] }).run(), {
    code: "CLEW_APP_OPTION",
    message: "option servers()[0] is an object; it must be a server, which has start(), stop()",
  });
  await assert.rejects(createApp({ servers: () => undefined as never }).run(), {
    code: "CLEW_APP_OPTION",
    message: "option servers() is undefined; it must be a list of servers",
  });
});
