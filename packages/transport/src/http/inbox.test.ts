import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox } from "./inbox.ts";

test("holds the sender back when many frames wait, also of nothing", async () => {
  let isPaused = false;
  const inbox = new Inbox<Buffer>((frame) => ({ $typeName: String(frame.length) }));
  inbox.flow = {
    pause: () => (isPaused = true),
    resume: () => (isPaused = false),
  };
  let count = 0;
  for (; !isPaused && count < 100_000; count++) inbox.push(Buffer.alloc(0));
  assert.ok(count < 10_000, `${count} frames were let in`);
  for (let read = 0; read < count; read++) assert.equal((await inbox.read())?.$typeName, "0");
  assert.equal(isPaused, false);
});
