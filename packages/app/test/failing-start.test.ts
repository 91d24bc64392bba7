import assert from "node:assert/strict";
import { test } from "node:test";
import type { Server } from "@clew/app";
import { createApp, fakeServer, forever, hook } from "./demo-app.ts";

test("a server that cannot start: those that did are stopped, the last first, and the error is the server's own", async () => {
  const events: string[] = [];
  const failure = Object.assign(new Error("in use"), { code: "EADDRINUSE" });
  const app = createApp({
    servers: [
      fakeServer(events, "a"),
      fakeServer(events, "b", {
        start: () => {
          throw failure;
        },
      }),
      fakeServer(events, "c"),
    ],
    afterStart: [hook(events, "afterStart")],
    beforeStop: [hook(events, "beforeStop")],
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), failure);
  assert.deepEqual(events, ["a started", "c started", "c stopped", "a stopped", "afterStop"]);
});

test("a start that still runs when another server fails is waited for, and then stopped", async () => {
  const events: string[] = [];
  const slow = Promise.withResolvers<void>();
  const app = createApp({
    servers: [
      fakeServer(events, "slow", { start: () => slow.promise }),
      fakeServer(events, "bad", {
        start: () => {
          setImmediate(slow.resolve);
          throw new Error("bad");
        },
      }),
    ],
  });
  await assert.rejects(app.run(), { message: "bad" });
  assert.deepEqual(events, ["slow started", "slow stopped"]);
});

test("a start that takes too long fails, and is stopped should it end after all", async () => {
  const events: string[] = [];
  const late = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<AbortSignal>();
  const app = createApp({
    servers: [
      fakeServer(events, "a"),
      fakeServer(events, "late", { start: () => late.promise, stop: stopped.resolve }),
    ],
    startTimeoutMs: 5,
  });
  await assert.rejects(app.run(), {
    code: "CLEW_APP_TIMEOUT",
    message: "the start of a server took longer than startTimeoutMs (5 ms)",
  });
  assert.deepEqual(events, ["a started", "a stopped"]);
  late.resolve();
  assert.ok((await stopped.promise).aborted);
});

test("a hook of the start that takes too long is a failure as well", async () => {
  const events: string[] = [];
  const app = createApp({ servers: [fakeServer(events, "a")], beforeStart: [forever], startTimeoutMs: 5 });
  await assert.rejects(app.run(), {
    code: "CLEW_APP_TIMEOUT",
    message: /^a beforeStart hook took longer than startTimeoutMs/,
  });
  const after = createApp({ servers: [fakeServer(events, "a")], afterStart: [forever], startTimeoutMs: 5 });
  await assert.rejects(after.run(), { message: /^an afterStart hook took longer/ });
  assert.deepEqual(events, ["a started", "a stopped"]);
});

test("a start that nobody wants any more gets no longer than a stop", async () => {
  const app = createApp({
    servers: [
      fakeServer([], "a", {
        start: () => {
          void app.stop();
          return forever();
        },
      }),
    ],
    stopTimeoutMs: 5,
  });
  await assert.rejects(app.run(), { message: "the start of a server took longer than stopTimeoutMs (5 ms)" });
});

test("a failing beforeStart hook starts nothing; afterStop still runs", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    beforeStart: [hook(events, "first", new Error("no database")), hook(events, "second")],
    beforeStop: [hook(events, "beforeStop")],
    afterStop: [hook(events, "afterStop")],
  });
  await assert.rejects(app.run(), { message: "no database" });
  assert.deepEqual(events, ["first", "afterStop"]);
});

test("a failing afterStart hook stops the servers, with beforeStop before", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [hook(events, "afterStart", new Error("not registered"))],
    beforeStop: [hook(events, "beforeStop")],
  });
  await assert.rejects(app.run(), { message: "not registered" });
  assert.deepEqual(events, ["a started", "afterStart", "beforeStop", "a stopped"]);
});

test("failures of the start and of the roll back are reported together", async () => {
  const app = createApp({
    servers: [
      fakeServer([], "a", {
        stop: () => {
          throw new Error("cannot stop");
        },
      }),
      fakeServer([], "b", {
        start: () => {
          throw new Error("cannot start");
        },
      }),
    ],
  });
  await assert.rejects(app.run(), { message: 'app "demo": 2 failures: cannot start; cannot stop' });
});

test("an endpoint that throws is a failure of the start", async () => {
  const events: string[] = [];
  const server: Server = {
    ...fakeServer(events, "a"),
    endpoint: () => {
      throw new Error("no endpoint");
    },
  };
  await assert.rejects(createApp({ servers: [server] }).run(), { message: "no endpoint" });
  assert.deepEqual(events, ["a started", "a stopped"]);
});
