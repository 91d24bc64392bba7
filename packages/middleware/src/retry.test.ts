import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Context } from "@clew/context";
import { type Call, type Handler, Metadata, type Reply, remainingMs, retryInfo, ServiceError } from "@clew/rpc";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { hello, invoke, stream } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { type RetryOptions, retry } from "./retry.ts";
import { RetryBudget } from "./retry-budget.ts";

const unavailable = new ServiceError(503, "UNAVAILABLE", "gone");
const idempotent = (): boolean => true;

/** Fails as told, one error for each try, and then answers. Notes the tries. */
function failing(...errors: unknown[]): { tries: Call[]; handler: Handler } {
  const tries: Call[] = [];
  const handler: Handler = async (call) => {
    tries.push(call);
    if (tries.length <= errors.length) throw errors[tries.length - 1];
    return hello;
  };
  return { tries, handler };
}

function retryAtOnce(options: RetryOptions, handler: Handler, call: Call = new TestCall("client")): Promise<Reply> {
  return invoke(retry({ backoffMs: 0, isIdempotent: idempotent, ...options }), handler, call);
}

function useFakeTimers(t: TestContext): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
}

/** Lets what is already decided happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

test("a call is tried until it is answered, three times at most", async () => {
  const two = failing(unavailable, unavailable);
  assert.equal(await retryAtOnce({}, two.handler), hello);
  assert.equal(two.tries.length, 3);
  const four = failing(...Array(4).fill(unavailable));
  await assert.rejects(retryAtOnce({}, four.handler), (thrown) => thrown === unavailable);
  assert.equal(four.tries.length, 3);
});

test("only 429, 502, 503 and 504 pass by themselves; a breaker's answer and a mistake do not", async () => {
  for (const [code, tried] of [
    [400, 1],
    [404, 1],
    [429, 2],
    [499, 1],
    [500, 1],
    [502, 2],
    [503, 2],
    [504, 2],
  ] as const) {
    const { tries, handler } = failing(new ServiceError(code, "X", "x"));
    await retryAtOnce({}, handler).catch(() => {});
    assert.equal(tries.length, tried, `${code}`);
  }
  for (const thrown of [new ServiceError(503, "CIRCUITBREAKER", "open"), new Error("mistake")]) {
    const { tries, handler } = failing(thrown);
    await assert.rejects(retryAtOnce({}, handler), (same) => same === thrown);
    assert.equal(tries.length, 1);
  }
});

test("a method that is not idempotent is tried again only when the server has not begun it", async () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const unseen = Object.assign(new Error("REFUSED_STREAM"), { code: "CLEW_HTTP2_REFUSED" });
  const lost = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  const circular = new Error("circle");
  circular.cause = circular;
  for (const [error, tried] of [
    [new ServiceError(503, "UNAVAILABLE", "x", { cause: refused }), 2],
    [new ServiceError(503, "UNAVAILABLE", "x", { cause: new Error("no connection", { cause: refused }) }), 2],
    [new ServiceError(503, "UNAVAILABLE", "x", { cause: unseen }), 2],
    [new ServiceError(429, "RATELIMIT", "x"), 2],
    [new ServiceError(503, "NODE_NOT_FOUND", "x"), 2],
    [new ServiceError(503, "UNAVAILABLE", "x", { cause: lost }), 1],
    [new ServiceError(503, "UNAVAILABLE", "x", { cause: circular }), 1],
    [new ServiceError(503, "UNAVAILABLE", "x"), 1],
    [new ServiceError(429, "TOO_MANY_ORDERS", "x"), 1],
    [new ServiceError(504, "GATEWAY_TIMEOUT", "x"), 1],
  ] as const) {
    const { tries, handler } = failing(error);
    await invoke(retry({ backoffMs: 0 }), handler, new TestCall("client")).catch(() => {});
    assert.equal(tries.length, tried, `${error.reason} ${(error.cause as Error)?.message}`);
  }
});

test("idempotency_level in the .proto is what makes a method idempotent", async () => {
  for (const [level, tried] of [
    [MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN, 1],
    [MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS, 2],
    [MethodOptions_IdempotencyLevel.IDEMPOTENT, 2],
  ] as const) {
    const method = Object.assign(Object.create(Greeter.method.sayHello), { idempotency: level }) as DescMethod;
    const { tries, handler } = failing(unavailable);
    const call = new TestCall("client", {}, Context.root, method);
    await invoke(retry({ backoffMs: 0 }), handler, call).catch(() => {});
    assert.equal(tries.length, tried, `${level}`);
  }
});

test("streams are sent once, and a server's calls are none of its business", async () => {
  const streaming = failing(unavailable);
  const call = new TestCall("client", {}, Context.root, Greeter.method.repeat);
  await assert.rejects(retryAtOnce({}, streaming.handler, call));
  assert.deepEqual(streaming.tries, [call]);
  assert.ok(await retryAtOnce({}, async () => stream(), call));
  const serving = failing(unavailable);
  await assert.rejects(retryAtOnce({}, serving.handler, new TestCall("server")));
  assert.equal(serving.tries.length, 1);
});

test("every try has the call's headers and its own; the call gets the reply of the last", async () => {
  const call = new TestCall("client", { "x-tenant": ["a", "b"] });
  let tries = 0;
  const handler: Handler = async (attempt) => {
    assert.deepEqual(attempt.metadata.getAll("x-tenant"), ["a", "b"]);
    assert.equal(attempt.metadata.has("traceparent"), false);
    attempt.metadata.set("traceparent", `${++tries}`);
    attempt.replyMetadata.set("x-try", `${tries}`);
    attempt.peer = { address: `10.0.0.${tries}:1` };
    if (tries === 1) throw unavailable;
    return hello;
  };
  await retryAtOnce({}, handler, call);
  assert.equal(call.metadata.has("traceparent"), false);
  assert.equal(call.replyMetadata.get("x-try"), "2");
  assert.equal(call.peer.address, "10.0.0.2:1");
});

test("waits are random up to 50, 100, 200 ... ms, and no longer than the longest", async (t) => {
  useFakeTimers(t);
  const { tries, handler } = failing(...Array(5).fill(unavailable));
  const options = { attempts: 6, maxBackoffMs: 300, random: () => 0.5, isIdempotent: idempotent };
  const reply = invoke(retry(options), handler, new TestCall("client"));
  for (const [tried, waitMs] of [
    [1, 25],
    [2, 50],
    [3, 100],
    [4, 150],
    [5, 150],
  ] as const) {
    await settle();
    mock.timers.tick(waitMs - 1);
    await settle();
    assert.equal(tries.length, tried);
    mock.timers.tick(1);
  }
  assert.equal(await reply, hello);
});

test("retry-after is waited for", async (t) => {
  useFakeTimers(t);
  const { tries, handler } = failing(new ServiceError(429, "RATELIMIT", "x"));
  const call = new TestCall("client");
  const reply = retryAtOnce(
    {},
    (attempt) => {
      attempt.replyMetadata.set("retry-after", "2");
      return handler(attempt);
    },
    call,
  );
  await settle();
  mock.timers.tick(1999);
  await settle();
  assert.equal(tries.length, 1);
  mock.timers.tick(1);
  assert.equal(await reply, hello);
});

test("what the server asks for is waited for, however it says it; or nothing is tried again", async (t) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.UTC(2026, 0, 1, 12, 0, 0) });
  t.after(() => mock.timers.reset());
  for (const [error, headers, trailers, waitMs] of [
    [unavailable, { "retry-after": "Thu, 01 Jan 2026 12:00:03 GMT" }, {}, 3000],
    [unavailable, { "retry-after": "soon" }, {}, 0],
    [unavailable, { "retry-after": "Thu, 01 Jan 2025 12:00:03 GMT" }, {}, 0],
    [unavailable.withDetails(retryInfo(1500)), { "retry-after": "7" }, {}, 1500],
    [unavailable.withDetails(retryInfo(1500)), {}, { "grpc-retry-pushback-ms": "250" }, 250],
    [unavailable, {}, { "grpc-retry-pushback-ms": "-1" }, undefined],
    [unavailable, {}, { "grpc-retry-pushback-ms": "later" }, undefined],
  ] as const) {
    mock.timers.setTime(Date.UTC(2026, 0, 1, 12, 0, 0));
    const { tries, handler } = failing(error);
    const reply = retryAtOnce({}, (attempt) => {
      attempt.replyMetadata = new Metadata(headers);
      attempt.replyTrailers = new Metadata(trailers);
      return handler(attempt);
    });
    reply.catch(() => {});
    await settle();
    if (waitMs === undefined) {
      await assert.rejects(reply, (thrown) => thrown === error);
      assert.equal(tries.length, 1);
      continue;
    }
    mock.timers.tick(Math.max(0, waitMs - 1));
    await settle();
    if (waitMs > 0) assert.equal(tries.length, 1, `${waitMs}`);
    mock.timers.tick(1);
    assert.equal(await reply, hello);
  }
});

test("what an earlier try was asked to wait does not hold for a later one", async (t) => {
  useFakeTimers(t);
  const { tries, handler } = failing(unavailable, unavailable);
  const reply = retryAtOnce({}, (attempt) => {
    if (tries.length === 0) attempt.replyMetadata.set("retry-after", "1");
    return handler(attempt);
  });
  await settle();
  mock.timers.tick(1000);
  await settle();
  mock.timers.tick(0);
  await settle();
  mock.timers.tick(0);
  assert.equal(await reply, hello);
});

test("a try knows how many came before; a gRPC server is told", async () => {
  const seen: unknown[] = [];
  const call = Object.defineProperty(new TestCall("client"), "transport", { value: "grpc" });
  const twice: Handler = async (attempt) => {
    seen.push([attempt.resends, attempt.metadata.get("grpc-previous-rpc-attempts")]);
    if (seen.length < 3) throw unavailable;
    return hello;
  };
  await retryAtOnce({}, twice, call);
  assert.deepEqual(seen, [
    [0, undefined],
    [1, "1"],
    [2, "2"],
  ]);
});

test("a try takes perTryTimeoutMs at most; then the next begins", async (t) => {
  useFakeTimers(t);
  const tries: Call[] = [];
  const reply = retryAtOnce({ perTryTimeoutMs: 100 }, (attempt) => {
    tries.push(attempt);
    return tries.length === 1 ? new Promise(() => {}) : Promise.resolve(hello);
  });
  await nextTurn();
  mock.timers.tick(101);
  await settle();
  mock.timers.tick(1);
  assert.equal(await reply, hello);
  assert.equal(tries[0]?.cancelled?.code, 504);
  assert.equal(tries[1]?.cancelled, undefined);
});

test("no try outlives the call, and none begins that would", async () => {
  const call = new TestCall("client");
  call.limit(performance.now() + 5000);
  const { tries, handler } = failing(unavailable, unavailable);
  // The wait would be longer than what is left.
  const options = { perTryTimeoutMs: 60_000, backoffMs: 20_000, maxBackoffMs: 20_000, random: () => 0.9 };
  await assert.rejects(retryAtOnce(options, handler, call), (thrown) => thrown === unavailable);
  assert.equal(tries.length, 1);
  assert.ok(remainingMs(tries[0]?.deadline ?? Number.POSITIVE_INFINITY) <= 5000);
  call.finish();
});

test("cancelling the call ends the try that runs, and the wait between two", async () => {
  const running = new TestCall("client");
  const reply = retryAtOnce({}, () => new Promise(() => {}), running);
  running.cancel();
  await assert.rejects(reply, { code: 499 });
  const waiting = new TestCall("client");
  const { tries, handler } = failing(unavailable);
  const second = retryAtOnce({ backoffMs: 60_000, maxBackoffMs: 60_000, random: () => 0.9 }, handler, waiting);
  await settle();
  waiting.cancel();
  await assert.rejects(second, { code: 499 });
  assert.equal(tries.length, 1);
});

test("the budget allows a share of the calls of ten seconds and some a second", async () => {
  let ms = 0;
  const budget = new RetryBudget({ perSecond: 0.2, now: () => ms });
  const middleware = retry({ backoffMs: 0, isIdempotent: idempotent, budget });
  let tries = 0;
  const handler: Handler = async () => {
    tries++;
    throw unavailable;
  };
  for (let i = 0; i < 100; i++) await assert.rejects(invoke(middleware, handler, new TestCall("client")));
  // 100 * 0.2 + 10 * 0.2
  assert.equal(tries, 100 + 22);
  ms = 10_000;
  await assert.rejects(invoke(middleware, handler, new TestCall("client")));
  assert.equal(tries, 122 + 1 + 2);
});

test("an option that cannot be is an error that names it", () => {
  for (const options of [{ attempts: 0 }, { attempts: 1.5 }, { perTryTimeoutMs: 0 }, { backoffMs: -1 }]) {
    assert.throws(() => retry(options), { code: "CLEW_MIDDLEWARE_OPTION", message: RegExp(Object.keys(options)[0]!) });
  }
});
