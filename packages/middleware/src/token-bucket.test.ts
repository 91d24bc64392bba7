import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceError } from "@clew/rpc";
import { answer, hello, invoke } from "../test/invoke.ts";
import { seededRandom } from "../test/seeded-random.ts";
import { TestCall } from "../test/test-call.ts";
import { type TokenBucketOptions, tokenBucket } from "./token-bucket.ts";

function createBuckets(options: TokenBucketOptions) {
  const state = { ms: 0 };
  const middleware = tokenBucket({
    key: (call) => call.metadata.get("tenant"),
    now: () => state.ms,
    ...options,
  });
  /** True when the call is taken, or the seconds it is told to wait. */
  const ask = async (tenant?: string): Promise<boolean | number> => {
    const call = new TestCall("server", tenant === undefined ? {} : { tenant });
    try {
      assert.equal(await invoke(middleware, answer, call), hello);
      return true;
    } catch (thrown) {
      const { code, reason, message, metadata } = thrown as ServiceError;
      assert.deepEqual([code, reason], [429, "RATELIMIT"]);
      assert.equal(message, "service unavailable due to rate limit exceeded");
      assert.equal(metadata["retry-after"], call.replyMetadata.get("retry-after"));
      return Number(call.replyMetadata.get("retry-after"));
    }
  };
  return { state, ask };
}

test("a bucket holds min(burst, tokens + rate * seconds), and a call takes one", async () => {
  const random = seededRandom(5);
  const { state, ask } = createBuckets({ rate: 10, burst: 5 });
  let tokens = 5;
  let refused = 0;
  for (let i = 0; i < 1000; i++) {
    const passedMs = Math.floor(random() * 150);
    state.ms += passedMs;
    tokens = Math.min(5, tokens + (passedMs * 10) / 1000);
    // Sums of fractions: what is within a rounding of a whole token is left to either side.
    if (Math.abs(tokens - 1) < 1e-9) continue;
    const taken = await ask("a");
    assert.equal(taken === true, tokens >= 1, `call ${i}`);
    if (taken === true) tokens -= 1;
    else refused++;
  }
  assert.ok(refused > 50 && refused < 950, `${refused}`);
});

test("a refused call is told in whole seconds when there is a token again", async () => {
  const { state, ask } = createBuckets({ rate: 0.1, burst: 1 });
  assert.equal(await ask("a"), true);
  assert.equal(await ask("a"), 10);
  state.ms = 4000;
  assert.equal(await ask("a"), 6);
  state.ms = 9999;
  assert.equal(await ask("a"), 1);
  state.ms = 10_000;
  assert.equal(await ask("a"), true);
});

test("every key has its own bucket, and calls without a key are not limited", async () => {
  const { ask } = createBuckets({ rate: 1, burst: 1 });
  assert.deepEqual([await ask("a"), await ask("b"), await ask("a")], [true, true, 1]);
  for (let i = 0; i < 10; i++) assert.equal(await ask(), true);
});

test("the key not seen for the longest time is forgotten when there are too many", async () => {
  const { ask } = createBuckets({ rate: 0.001, burst: 1, maxKeys: 2 });
  assert.deepEqual([await ask("a"), await ask("b"), await ask("a")], [true, true, 1000]);
  // "b" is the oldest now.
  assert.equal(await ask("c"), true);
  assert.deepEqual([await ask("a"), await ask("b")], [1000, true]);
});

test("a bucket that has had time to fill is forgotten, and is full when its key comes back", async () => {
  const { state, ask } = createBuckets({ rate: 1, burst: 2, maxKeys: 1e9 });
  for (let i = 0; i < 3; i++) await ask("old");
  state.ms = 2000;
  await ask("new");
  assert.deepEqual([await ask("old"), await ask("old"), await ask("old")], [true, true, 1]);
});

test("without a key option the caller's host counts, whatever its port", async () => {
  const middleware = tokenBucket({ rate: 1, now: () => 0 });
  const ask = async (address: string): Promise<boolean> => {
    const call = new TestCall("server");
    call.peer = { address };
    return invoke(middleware, answer, call).then(
      () => true,
      () => false,
    );
  };
  assert.deepEqual(
    [
      await ask("10.0.0.5:1"),
      await ask("10.0.0.5:2"),
      await ask("10.0.0.6:1"),
      await ask("[::1]:1"),
      await ask("[::1]:2"),
    ],
    [true, false, true, true, false],
  );
});

test("an option that cannot be is an error that names it", () => {
  for (const [options, message] of [
    [{ rate: 0 }, /rate is 0/],
    [{ rate: 1, burst: 0.5 }, /burst is 0.5/],
    [{ rate: 1, maxKeys: 0 }, /maxKeys is 0/],
  ] as const) {
    assert.throws(() => tokenBucket(options), { code: "CLEW_MIDDLEWARE_OPTION", message });
  }
});
