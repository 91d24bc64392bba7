import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import { type Call, type Handler, type Reply, retryInfo, ServiceError } from "@clew/rpc";
import { hello, invoke } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { type HedgeOptions, hedge } from "./hedge.ts";
import { retry } from "./retry.ts";
import { RetryBudget } from "./retry-budget.ts";

const unavailable = new ServiceError(503, "UNAVAILABLE", "gone");
const idempotent = (): boolean => true;

/** Tries that end when they are told to. */
interface Tries {
  readonly calls: Call[];
  readonly ends: PromiseWithResolvers<Reply>[];
  readonly handler: Handler;
}

function holding(): Tries {
  const calls: Call[] = [];
  const ends: PromiseWithResolvers<Reply>[] = [];
  const handler: Handler = (call) => {
    calls.push(call);
    const end = Promise.withResolvers<Reply>();
    ends.push(end);
    return call.orCancelled(end.promise);
  };
  return { calls, ends, handler };
}

function start(
  options: HedgeOptions,
  handler: Handler,
  call: Call = new TestCall("client"),
): { reply: Promise<Reply>; call: Call } {
  const reply = invoke(hedge({ isIdempotent: idempotent, ...options }), handler, call);
  // Whoever looks at it later still sees the failure.
  reply.catch(() => {});
  return { reply, call };
}

function useFakeTimers(t: TestContext): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
}

/** Lets what is already decided happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

test("a call that is answered in time is sent once, with its own headers and reply", async (t) => {
  useFakeTimers(t);
  const { calls, ends, handler } = holding();
  const { reply, call } = start({ delayMs: 50 }, handler, new TestCall("client", { "x-a": "1" }));
  await settle();
  mock.timers.tick(49);
  calls[0]!.replyMetadata.set("x-reply", "1");
  ends[0]!.resolve(hello);
  assert.equal(await reply, hello);
  mock.timers.tick(1000);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]!.metadata.get("x-a"), "1");
  assert.equal(call.replyMetadata.get("x-reply"), "1");
});

test("each delay sends the next try; the first answer wins, and the others are cancelled", async (t) => {
  useFakeTimers(t);
  const { calls, ends, handler } = holding();
  const { reply, call } = start({ attempts: 3, delayMs: 50 }, handler);
  await settle();
  for (const [passedMs, sent] of [
    [49, 1],
    [1, 2],
    [49, 2],
    [1, 3],
    [500, 3],
  ] as const) {
    mock.timers.tick(passedMs);
    await settle();
    assert.equal(calls.length, sent);
  }
  assert.deepEqual(
    calls.map(({ tryOf, resends }) => [tryOf === call, resends]),
    [
      [true, 0],
      [true, 1],
      [true, 2],
    ],
  );
  calls[1]!.peer = { address: "10.0.0.2:1" };
  calls[0]!.replyMetadata.set("x-lost", "1");
  ends[1]!.resolve(hello);
  assert.equal(await reply, hello);
  assert.deepEqual(
    calls.map(({ cancelled }) => cancelled?.code),
    [499, undefined, 499],
  );
  assert.equal(call.peer.address, "10.0.0.2:1");
  assert.equal(call.replyMetadata.has("x-lost"), false);
});

test("a delay of 0 sends all at once", async (t) => {
  useFakeTimers(t);
  const { calls, handler } = holding();
  const { call } = start({ attempts: 4, delayMs: 0 }, handler);
  for (let i = 0; i < 4; i++) {
    mock.timers.tick(0);
    await settle();
  }
  assert.equal(calls.length, 4);
  call.cancel();
});

test("an error that passes sends the next at once, and the last of them is the call's", async (t) => {
  useFakeTimers(t);
  const { calls, ends, handler } = holding();
  const { reply } = start({ attempts: 3, delayMs: 1000 }, handler);
  await settle();
  ends[0]!.reject(unavailable);
  await settle();
  assert.equal(calls.length, 2);
  ends[1]!.reject(new ServiceError(504, "GATEWAY_TIMEOUT", "slow"));
  await settle();
  assert.equal(calls.length, 3);
  const last = new ServiceError(502, "", "bad gateway");
  ends[2]!.reject(last);
  await assert.rejects(reply, (thrown) => thrown === last);
  assert.equal(calls.length, 3);
});

test("an error while another try is under way waits for that one", async (t) => {
  useFakeTimers(t);
  const { calls, ends, handler } = holding();
  const { reply } = start({ attempts: 2, delayMs: 10 }, handler);
  await settle();
  mock.timers.tick(10);
  await settle();
  ends[1]!.reject(unavailable);
  await settle();
  assert.equal(calls[0]!.cancelled, undefined);
  ends[0]!.resolve(hello);
  assert.equal(await reply, hello);
});

test("any other error is the call's at once: no node would answer better", async (t) => {
  useFakeTimers(t);
  for (const fatal of [
    new ServiceError(404, "X", "x"),
    new ServiceError(503, "CIRCUITBREAKER", "open"),
    new Error("mistake"),
  ]) {
    const { calls, ends, handler } = holding();
    const { reply } = start({ attempts: 3, delayMs: 10 }, handler);
    await settle();
    mock.timers.tick(10);
    await settle();
    ends[1]!.reject(fatal);
    await assert.rejects(reply, (thrown) => thrown === fatal);
    assert.deepEqual([calls.length, calls[0]!.cancelled?.code], [2, 499]);
  }
  const { reply } = start({}, () => {
    throw unavailable;
  });
  await assert.rejects(reply, (thrown) => thrown === unavailable);
});

test("a server that asks for time gets it, and one that asks for no more tries gets none", async (t) => {
  useFakeTimers(t);
  const patient = holding();
  const { reply } = start({ attempts: 2, delayMs: 10 }, patient.handler);
  await settle();
  patient.ends[0]!.reject(unavailable.withDetails(retryInfo(300)));
  await settle();
  mock.timers.tick(299);
  await settle();
  assert.equal(patient.calls.length, 1);
  mock.timers.tick(1);
  await settle();
  assert.equal(patient.calls.length, 2);
  patient.ends[1]!.resolve(hello);
  assert.equal(await reply, hello);

  const refused = holding();
  const { reply: none } = start({ attempts: 2, delayMs: 10 }, refused.handler);
  await settle();
  refused.calls[0]!.replyTrailers.set("grpc-retry-pushback-ms", "-1");
  refused.ends[0]!.reject(unavailable);
  await assert.rejects(none, (thrown) => thrown === unavailable);
  assert.equal(refused.calls.length, 1);
});

test("time that is asked for and not left ends the call", async (t) => {
  useFakeTimers(t);
  const call = new TestCall("client");
  call.limit(performance.now() + 5000);
  const { calls, ends, handler } = holding();
  const { reply } = start({ attempts: 3 }, handler, call);
  await settle();
  calls[0]!.replyMetadata.set("retry-after", "60");
  ends[0]!.reject(unavailable);
  await assert.rejects(reply, (thrown) => thrown === unavailable);
  call.finish();
});

test("cancelling the call cancels every try", async (t) => {
  useFakeTimers(t);
  const { calls, handler } = holding();
  const { reply, call } = start({ attempts: 2, delayMs: 10 }, handler);
  await settle();
  mock.timers.tick(10);
  await settle();
  call.cancel();
  await assert.rejects(reply, { code: 499 });
  assert.deepEqual(
    calls.map(({ cancelled }) => cancelled?.code),
    [499, 499],
  );
  const gone = new TestCall("client");
  gone.cancel();
  const late = holding();
  await assert.rejects(start({}, late.handler, gone).reply, { code: 499 });
  assert.equal(late.calls.length, 0);
});

test("a method that is not idempotent, a server's call: sent once", async (t) => {
  useFakeTimers(t);
  for (const [options, side] of [
    [{ isIdempotent: () => false }, "client"],
    [{}, "server"],
  ] as const) {
    const { calls, ends, handler } = holding();
    const call = new TestCall(side);
    const { reply } = start({ delayMs: 0, ...options }, handler, call);
    mock.timers.tick(1000);
    await settle();
    assert.deepEqual(calls, [call]);
    ends[0]!.resolve(hello);
    assert.equal(await reply, hello);
  }
});

test("hedges and retries share a budget, in which a call counts once", async (t) => {
  useFakeTimers(t);
  const budget = new RetryBudget({ ratio: 0, perSecond: 0.3, now: () => 0 });
  const { calls, ends, handler } = holding();
  const { reply } = start({ attempts: 10, delayMs: 10, budget }, handler);
  for (let i = 0; i < 10; i++) {
    await settle();
    mock.timers.tick(10);
  }
  // Three in ten seconds beyond the first.
  assert.equal(calls.length, 4);
  for (const end of ends) end.reject(unavailable);
  await assert.rejects(reply, (thrown) => thrown === unavailable);
  let tries = 0;
  const failing: Handler = async () => {
    tries++;
    throw unavailable;
  };
  const chain = retry({ backoffMs: 0, isIdempotent: idempotent, budget })(
    hedge({ isIdempotent: idempotent, budget })(failing),
  );
  await assert.rejects(chain(new TestCall("client")));
  assert.equal(tries, 1);

  const half = new RetryBudget({ ratio: 0.5, perSecond: 0, now: () => 0 });
  for (let i = 0; i < 3; i++) half.countCall(new TestCall("client"));
  half.countCall(Object.defineProperty(new TestCall("client"), "tryOf", { value: new TestCall("client") }));
  assert.deepEqual([half.take(), half.take()], [true, false]);
});

test("a budget that is used up while nothing is under way ends the call with the failure there was", async (t) => {
  useFakeTimers(t);
  const budget = new RetryBudget({ ratio: 0, perSecond: 0, now: () => 0 });
  const { calls, ends, handler } = holding();
  const { reply } = start({ attempts: 3, budget }, handler);
  await settle();
  ends[0]!.reject(unavailable.withDetails(retryInfo(200)));
  await settle();
  mock.timers.tick(200);
  await assert.rejects(reply, { code: 503, reason: "UNAVAILABLE" });
  assert.equal(calls.length, 1);
});

test("an option that cannot be is an error that names it", () => {
  for (const options of [{ attempts: 0 }, { attempts: 1.5 }, { delayMs: -1 }]) {
    assert.throws(() => hedge(options), { code: "CLEW_MIDDLEWARE_OPTION", message: RegExp(Object.keys(options)[0]!) });
  }
  for (const options of [{ ratio: -1 }, { perSecond: Number.NaN }]) {
    assert.throws(() => new RetryBudget(options), { code: "CLEW_MIDDLEWARE_OPTION" });
  }
});
