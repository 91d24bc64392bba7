import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import type { ClientSession } from "@clew/http2";
import { KeepAlive } from "./keepalive.ts";

/** A connection whose ping was sent 40 ms ago and is not answered; what is read from it is up to the test. */
function pinged(t: TestContext): { socket: PassThrough & { bytesRead: number }; answer: () => void } {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const socket = Object.assign(new PassThrough(), { bytesRead: 0 });
  socket.on("error", () => {});
  const pings: (() => void)[] = [];
  const session = { openStreams: 1, ping: (done: () => void) => pings.push(done) } as unknown as ClientSession;
  new KeepAlive(session, socket, { timeMs: 40, timeoutMs: 40, withoutCalls: false });
  while (pings.length === 0) t.mock.timers.tick(10);
  t.mock.timers.tick(40);
  t.after(() => socket.destroy());
  return { socket, answer: pings[0]! };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a connection that stays quiet after its ping is given up", async (t) => {
  const { socket } = pinged(t);
  await nextTurn();
  assert.equal(socket.destroyed, true);
  assert.match(socket.errored?.message ?? "", /nothing was received within 40 ms after a ping/);
});

test("what had arrived when the time was over counts, though nobody had read it: the process may have stood still", async (t) => {
  for (const arrive of ["bytes", "answer"] as const) {
    const { socket, answer } = pinged(t);
    if (arrive === "bytes") socket.bytesRead += 1;
    else answer();
    await nextTurn();
    assert.equal(socket.destroyed, false, arrive);
    t.mock.timers.reset();
  }
});
