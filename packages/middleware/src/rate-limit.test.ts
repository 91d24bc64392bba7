import assert from "node:assert/strict";
import { test } from "node:test";
import { Context } from "@clew/context";
import { ServiceError } from "@clew/rpc";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, drain, fail, hello, invoke, stream } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import type { Limiter } from "./limiter.ts";
import { rateLimit } from "./rate-limit.ts";

/** A limiter of so many places. */
function createLimiter(places: number) {
  const state = { inFlight: 0 };
  const limiter: Limiter = {
    allow: () => {
      if (state.inFlight === places) return undefined;
      state.inFlight++;
      return () => state.inFlight--;
    },
  };
  return { state, limiter };
}

test("a refused call fails with 429 RATELIMIT and reaches no handler", async () => {
  const { limiter } = createLimiter(0);
  const unreached = () => assert.fail("the call was served");
  await assert.rejects(invoke(rateLimit({ limiter }), unreached, new TestCall("server")), {
    code: 429,
    reason: "RATELIMIT",
    message: "service unavailable due to rate limit exceeded",
  });
});

test("a call gives its place back when it is answered and when it fails", async () => {
  const { state, limiter } = createLimiter(1);
  assert.equal(await invoke(rateLimit({ limiter }), answer, new TestCall("server")), hello);
  assert.equal(state.inFlight, 0);
  const error = new ServiceError(404, "X", "x");
  await assert.rejects(invoke(rateLimit({ limiter }), fail(error), new TestCall("server")), (same) => same === error);
  assert.equal(state.inFlight, 0);
});

test("a stream keeps its place until its end", async () => {
  const { state, limiter } = createLimiter(1);
  for (const thrown of [undefined, new Error("half way")]) {
    const call = new TestCall("server", {}, Context.root, Greeter.method.repeat);
    const reply = await invoke(rateLimit({ limiter }), async () => stream(thrown), call);
    assert.equal(state.inFlight, 1);
    await drain(reply).catch(() => {});
    assert.equal(state.inFlight, 0);
  }
});

test("the default limiter takes calls of an idle process", async () => {
  assert.equal(await invoke(rateLimit(), answer, new TestCall("server")), hello);
});
