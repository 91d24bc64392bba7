import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { App } from "@clew/app";
import { createApp, fakeServer } from "./demo-app.ts";

/** An app that listens to SIGIO and SIGWINCH (which nobody sends a test), up and running, and what process.exit was called with. */
async function signalled(body: (app: App, exits: unknown[]) => Promise<void>): Promise<void> {
  const exits: unknown[] = [];
  const exit = mock.method(process, "exit", (code: unknown) => exits.push(code));
  try {
    const listenersBefore = process.listenerCount("SIGIO");
    const up = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const app = createApp({
      signals: ["SIGIO", "SIGWINCH"],
      servers: [fakeServer([], "a", { stop: () => release.promise })],
      afterStart: [() => up.resolve()],
    });
    const running = app.run();
    await up.promise;
    await body(app, exits);
    release.resolve();
    await running;
    assert.equal(process.listenerCount("SIGIO"), listenersBefore);
  } finally {
    exit.mock.restore();
  }
}

test("a signal stops the app, and its listeners are gone afterwards", async () => {
  await signalled(async (_app, exits) => {
    assert.equal(process.listenerCount("SIGIO"), 1);
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, []);
  });
});

test("a second signal ends the process at once with code 1", async () => {
  await signalled(async (_app, exits) => {
    process.emit("SIGIO", "SIGIO");
    process.emit("SIGWINCH", "SIGWINCH");
    assert.deepEqual(exits, [1]);
  });
});

test("the same signal twice in a moment is one: npm passes on what the terminal has sent already", async () => {
  await signalled(async (_app, exits) => {
    let nowMs = 1_000;
    const now = mock.method(performance, "now", () => nowMs);
    process.emit("SIGIO", "SIGIO");
    nowMs += 50;
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, []);
    nowMs += 1;
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, [1]);
    now.mock.restore();
  });
});

test("a signal after stop() is a first one", async () => {
  await signalled(async (app, exits) => {
    void app.stop();
    process.emit("SIGIO", "SIGIO");
    assert.deepEqual(exits, []);
  });
});
