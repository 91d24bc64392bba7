import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, createKey, current, run } from "@clew/context";
import { silentLogger } from "@clew/log";
import { createServiceClient, type Middleware, ServiceError, service } from "@clew/rpc";
import { createClient, MemoryClient, MemoryServer } from "@clew/transport";
import { failureOf } from "./failure-of.ts";
import { Echo, Shelves } from "./gen/test/v1/test_pb.ts";
import { echo, echoImplementation } from "./grpc-echo.ts";
import { shelves } from "./http-shelves.ts";
import { patientMs } from "./patient-ms.ts";

const signal = (): AbortSignal => AbortSignal.timeout(5000);

test("createClient takes the server itself, and several services share it", async () => {
  const server = new MemoryServer({ services: [echo, shelves()], timeoutMs: patientMs });
  const one = createClient(Echo, { server, timeoutMs: patientMs });
  const other = createClient(Shelves, { server, timeoutMs: patientMs });
  assert.equal((await one.unary({ text: "a" })).text, "a");
  assert.equal((await other.getBook({ shelf: "s", book: { id: "b" } })).title, "on s");
  await server.stop(signal());
});

test("it has the life of a server: a context from its start, an endpoint, one start, an end", async () => {
  const key = createKey<string>("memory");
  const seen: (string | undefined)[] = [];
  const look: Middleware = (next) => (call) => {
    seen.push(current().getValue(key));
    return next(call);
  };
  const server = new MemoryServer({ services: [echo], middleware: [look], timeoutMs: patientMs });
  const client = createClient(Echo, { server, timeoutMs: patientMs });
  await client.unary({});
  await run(Context.root.setValue(key, "app"), () => server.start());
  await client.unary({});
  assert.deepEqual(seen, [undefined, "app"]);
  await assert.rejects(server.start(), { code: "CLEW_TRANSPORT_STARTED", message: /^MemoryServer / });
  assert.equal(server.endpoint().href, "memory://local");
  await server.stop(signal());
  await server.stop(signal());
  assert.deepEqual((await failureOf(client.unary({}))).toJSON(), {
    code: 503,
    reason: "UNAVAILABLE",
    message: "the server has stopped",
    metadata: {},
  });
});

test("refuses options that cannot work, and a service twice", () => {
  assert.throws(() => new MemoryServer({ services: [echo, echo] }), { code: "CLEW_TRANSPORT_SERVICE_CONFLICT" });
  assert.throws(() => new MemoryServer({ timeoutMs: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
});

test("a handler's failure is logged with its cause, and the caller gets neither", async () => {
  const lines: unknown[][] = [];
  const logger = { error: (...line: unknown[]) => lines.push(line), info() {}, warn() {} } as never;
  const server = new MemoryServer({ services: [echo], logger, timeoutMs: patientMs });
  const client = createClient(Echo, { server, timeoutMs: patientMs });
  const error = await failureOf(client.unary({ text: "crash" }));
  assert.deepEqual([error.code, error.cause], [500, undefined]);
  await failureOf(client.unary({ text: "fail" }));
  assert.equal(lines.length, 1);
  assert.match(JSON.stringify(lines), /test\.v1\.Echo\/Unary failed/);
});

test("what is no message of its type fails as on a wire, on the side whose fault it is", async () => {
  const wrong = { $typeName: "test.v1.EchoMessage", text: 5, count: "x" };
  const bad = service(Echo, { ...echoImplementation, unary: () => wrong as never });
  const client = createClient(Echo, {
    server: new MemoryServer({ services: [bad], timeoutMs: patientMs, logger: silentLogger }),
  });
  const mine = await failureOf(client.unary(wrong as never));
  assert.deepEqual([mine.code, mine.reason], [400, "CODEC"]);
  assert.equal((await failureOf(client.unary({}))).code, 500);
});

test("an error that says OK or has strange metadata is still an error", async () => {
  const odd = service(Echo, {
    ...echoImplementation,
    unary: () => {
      throw new ServiceError(200, "ODD", "not at all", { metadata: { at: new Date(0) as never } });
    },
  });
  const client = createServiceClient(Echo, new MemoryClient(new MemoryServer({ services: [odd] })));
  const error = await failureOf(client.unary({}));
  assert.deepEqual([error.code, error.metadata], [500, { at: "1970-01-01T00:00:00.000Z" }]);
});

test("a call made while serving another inherits its deadline and its end", async () => {
  const server = new MemoryServer({ services: [echo], timeoutMs: 0 });
  const inner = createClient(Echo, { server, timeoutMs: 60_000 });
  const outer = service(Echo, { ...echoImplementation, unary: () => inner.unary({ text: "wait" }) });
  const client = createClient(Echo, { server: new MemoryServer({ services: [outer], timeoutMs: 0 }) });
  assert.equal((await failureOf(client.unary({}, { timeoutMs: 30 }))).code, 504);
  // The inner call was cancelled as well: nothing is left open.
  await server.stop(new AbortController().signal);
});
