// Everything of ours that waits, with a clock that a test drives: no time passes while this runs.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import {
  circuitBreaker,
  createClient,
  createLogger,
  currentCall,
  type Implementation,
  retry,
  ServiceError,
  service,
} from "clew";
import { FailingRegistry, FakeClock, MemoryServer } from "clew/testing";
import { BatchProcessor, type SpanData, TracerProvider } from "clew/trace";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

let clock: FakeClock;
let began: number;

beforeEach(() => {
  clock = new FakeClock();
  began = performance.now();
});
afterEach(() => clock[Symbol.dispose]());

function elapsed(): number {
  return performance.now() - began;
}

function memoryServer(overrides: Partial<Implementation<typeof Greeter>>): MemoryServer {
  const greeter = service(Greeter, {
    sayHello: ({ name }) => ({ name: `Hello ${name}` }),
    sayAll: async () => ({}),
    async *repeat() {},
    async *chat() {},
    ...overrides,
  });
  return new MemoryServer({ services: [greeter] });
}

test("a deadline passes at its moment, and cancels the handler", async () => {
  let cancelledAt = 0;
  const server = memoryServer({
    sayHello: async (_request, call) => {
      call.onCancel(() => {
        cancelledAt = elapsed();
      });
      await new Promise(() => {});
      return {};
    },
  });
  const client = createClient(Greeter, { server });
  const call = client.sayHello({ name: "ann" }, { timeoutMs: 200 });
  const failed = assert.rejects(call, { code: 504 });
  await clock.advance(199);
  assert.equal(cancelledAt, 0);
  await clock.advance(1);
  await failed;
  assert.equal(cancelledAt, 200);
});

test("a server's own time limit is a second", async () => {
  const server = memoryServer({ sayHello: () => new Promise(() => {}) });
  const client = createClient(Greeter, { server });
  await assert.rejects(clock.until(client.sayHello({}, { timeoutMs: Infinity })), { code: 504 });
  assert.equal(elapsed(), 1000);
});

test("a handler sees what is left of its time", async () => {
  let left = 0;
  const server = memoryServer({
    async sayHello() {
      await new Promise((resolve) => setTimeout(resolve, 120));
      left = currentCall()!.deadline! - performance.now();
      return {};
    },
  });
  await clock.until(createClient(Greeter, { server }).sayHello({}, { timeoutMs: 200 }));
  assert.equal(Math.round(left), 80);
});

test("retries wait as they should", async () => {
  const tries: number[] = [];
  const server = memoryServer({
    sayHello() {
      tries.push(elapsed());
      throw new ServiceError(503, "UNAVAILABLE", "not now");
    },
  });
  const again = retry({ attempts: 4, backoffMs: 100, random: () => 0.999_999, isIdempotent: () => true });
  const client = createClient(Greeter, { server, middleware: [again] });
  await assert.rejects(clock.until(client.sayHello({}, { timeoutMs: Infinity })), { code: 503 });
  assert.equal(tries.length, 4);
  const waits = tries.slice(1).map((at, index) => Math.round(at - tries[index]!));
  assert.deepEqual(
    waits,
    [...waits].sort((one, other) => one - other),
  );
  assert.ok(waits[0]! > 0 && waits[2]! > waits[0]!, `the waits grow: ${waits}`);
});

test("a breaker opens, and closes when its window has passed", async () => {
  let isIll = true;
  const server = memoryServer({
    sayHello() {
      if (isIll) throw new ServiceError(503, "UNAVAILABLE", "not now");
      return {};
    },
  });
  const breaker = circuitBreaker({ minRequests: 10, random: () => 0 });
  const client = createClient(Greeter, { server, middleware: [breaker] });
  for (let at = 0; at < 20; at++) await assert.rejects(client.sayHello({}));
  await assert.rejects(client.sayHello({}), { reason: "CIRCUITBREAKER" });
  isIll = false;
  await assert.rejects(client.sayHello({}), { reason: "CIRCUITBREAKER" });
  await clock.advance(4000);
  await client.sayHello({});
});

test("spans are exported when the delay of their batch has passed", async () => {
  const exported: SpanData[] = [];
  const processor = new BatchProcessor(
    {
      export: async (spans) => {
        exported.push(...spans);
        return { outcome: "exported" };
      },
      shutdown: async () => {},
    },
    { delayMs: 5000 },
  );
  const provider = new TracerProvider({ processor });
  provider.getTracer("test").startSpan("work").end();
  await clock.advance(4999);
  assert.equal(exported.length, 0);
  await clock.advance(1);
  assert.equal(exported.length, 1);
  await provider.shutdown();
});

test("a client goes on asking a registry that fails on cue", async () => {
  const registry = new FailingRegistry();
  registry.fail("watch", new Error("no leader"));
  const lines: string[] = [];
  const logger = createLogger({ destination: { write: (line) => lines.push(line) }, pretty: false });
  const client = createClient(Greeter, { endpoint: "discovery:///greeter", discovery: registry, logger });
  await assert.rejects(clock.until(client.sayHello({}, { timeoutMs: 3000 })), ServiceError);
  const { length } = registry.calls;
  assert.ok(length > 2, "it asked again and again while the call waited");
  assert.equal(lines.length, length);
  await client[Symbol.asyncDispose]();
});
