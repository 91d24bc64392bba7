import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createApp, fakeServer, forever, hook } from "./demo-app.ts";

test("a stop that meets failures goes on to the end and reports all of them", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [
      fakeServer(events, "a", {
        stop: () => {
          throw new Error("2");
        },
      }),
      fakeServer(events, "b"),
    ],
    afterStart: [() => void app.stop()],
    beforeStop: [hook(events, "beforeStop", new Error("1")), hook(events, "beforeStop 2")],
    afterStop: [hook(events, "afterStop", new Error("3")), hook(events, "afterStop 2")],
  });
  await assert.rejects(app.run(), (error: AggregateError) => {
    assert.ok(error instanceof AggregateError);
    assert.equal(error.message, 'app "demo": 3 failures: 1; 2; 3');
    assert.deepEqual(
      error.errors.map((one: Error) => one.message),
      ["1", "2", "3"],
    );
    return true;
  });
  assert.deepEqual(events, [
    "a started",
    "b started",
    "beforeStop",
    "beforeStop 2",
    "b stopped",
    "afterStop",
    "afterStop 2",
  ]);
});

test("the signal of a stop aborts after stopTimeoutMs, and a server that heeds it is no failure", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [
      fakeServer(events, "slow", {
        stop: (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      }),
    ],
    afterStart: [() => void app.stop()],
    stopTimeoutMs: 5,
  });
  await app.run();
  assert.deepEqual(events, ["slow started", "slow stopped"]);
});

test("a server that never comes back is reported, and afterStop runs", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const events: string[] = [];
    const stopCalled = Promise.withResolvers<void>();
    const app = createApp({
      servers: [
        fakeServer(events, "hung", {
          stop: () => {
            stopCalled.resolve();
            return forever();
          },
        }),
      ],
      afterStart: [() => void app.stop()],
      afterStop: [hook(events, "afterStop")],
    });
    const running = app.run();
    await stopCalled.promise;
    mock.timers.tick(10_000);
    mock.timers.tick(1_000);
    await assert.rejects(running, {
      code: "CLEW_APP_TIMEOUT",
      message: /^the stop of a server took longer than stopTimeoutMs/,
    });
    assert.deepEqual(events, ["hung started", "afterStop"]);
  } finally {
    mock.timers.reset();
  }
});

test("a beforeStop hook that never ends does not hold up the stop", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [() => void app.stop()],
    beforeStop: [forever],
    stopTimeoutMs: 5,
  });
  await assert.rejects(app.run(), { message: "a beforeStop hook took longer than stopTimeoutMs (5 ms)" });
  assert.deepEqual(events, ["a started", "a stopped"]);
});

test("the servers still accept during the drain delay", async () => {
  const events: string[] = [];
  const app = createApp({
    servers: [fakeServer(events, "a")],
    afterStart: [() => void app.stop()],
    // This timer is due before that of the delay.
    beforeStop: [() => void setTimeout(() => events.push("a call"), 5)],
    drainDelayMs: 30,
  });
  await app.run();
  assert.deepEqual(events, ["a started", "a call", "a stopped"]);
});
