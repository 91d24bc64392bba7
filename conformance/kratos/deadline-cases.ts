// Deadlines and cancelling.
import assert from "node:assert/strict";
import { type Answer, assertFailure, type Case, callBehaviour, type Pair } from "./pair.ts";

let lastKey = 0;

/**
 * Calls Wait, which would take a minute; answers with what its caller saw, once the callee has seen its own end. On a busy machine the
 * time may pass before the call has reached the callee, which then knows nothing of it: one with more time has to show it.
 */
async function cutOff(
  pair: Pair,
  optionsFor: (ms: number) => object,
  ms = 400,
): Promise<{ answer: Answer; waited: Record<string, unknown>; ms: number }> {
  const key = `${process.pid}-${++lastKey}`;
  const answer = await callBehaviour(pair, "Wait", { key, milliseconds: 60_000 }, optionsFor(ms));
  for (let tries = 0; ; tries++) {
    const { replies } = await callBehaviour(pair, "Waited", { key });
    const waited = replies[0]!;
    if ((waited.state ?? "") === "" && ms < 20_000) return cutOff(pair, optionsFor, ms * 2);
    if (waited.state !== "running" || tries === 1000) return { answer, waited, ms };
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const deadlineCases: Case[] = [
  {
    name: "deadline: the caller gets 504, the callee is cancelled",
    async run(pair) {
      const { answer, waited, ms } = await cutOff(pair, (timeoutMs) => ({ timeoutMs }));
      assertFailure(answer, 504);
      assert.equal(waited.state, "cancelled");
      if (pair.protocol === "grpc") {
        const left = Number(waited.remainingMs);
        assert.ok(left > 0 && left <= ms, `${left} of ${ms} ms were left when it began`);
      }
    },
  },
  {
    name: "cancel: the caller gets 499, the callee is cancelled",
    async run(pair) {
      const { answer, waited } = await cutOff(pair, (cancelAfterMs) => ({ cancelAfterMs }));
      assertFailure(answer, 499);
      assert.equal(waited.state, "cancelled");
    },
  },
];
