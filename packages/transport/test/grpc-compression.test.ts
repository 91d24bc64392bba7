// What both ends compress: small messages at once, large ones on zlib's threads, and the order of a stream stays.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { syncBuiltinESMExports } from "node:module";
import { after, test } from "node:test";
import zlib from "node:zlib";
import { type Logger, silentLogger } from "@clew/log";
import { type Call, type Client, createServiceClient, type Middleware, ServiceError, service } from "@clew/rpc";
import { Server, type ServerOptions } from "@clew/transport";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcClient } from "@clew/transport/grpc";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import { until } from "../../http2/test/until.ts";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, echoImplementation, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

const large = Buffer.alloc(400_000, "a message that is large enough to be worth a thread ");
const small = large.subarray(0, 5000);

/** Lets everything go on that waits for nothing but promises: the event loop does not turn. */
async function settle(): Promise<void> {
  for (let count = 0; count < 1000; count++) await undefined;
}

for (const compression of ["gzip", "br"] as const) {
  test(`${compression}: a large message leaves the event loop free while it is compressed`, async (t) => {
    const server = await startServer();
    const sent: number[] = [];
    const watch: Middleware = (next) => (call) => {
      call.onMessage((direction, message) => {
        if (direction === "sent") sent.push((message as unknown as { payload: Uint8Array }).payload.length);
      });
      return next(call);
    };
    const connection = connectTo(server, { compression });
    const client = createServiceClient(Echo, connection, { timeoutMs: patientMs, middleware: [watch] });
    t.after(() => client[Symbol.asyncDispose]());
    await client.unary({});
    sent.length = 0;

    const [slow, quick] = [client.unary({ payload: large }), client.unary({ payload: small })];
    await settle();
    assert.deepEqual(sent, [small.length], "the small one has gone, the large one waits for its thread");
    assert.ok(large.equals((await slow).payload));
    assert.ok(small.equals((await quick).payload));
    assert.deepEqual(sent, [small.length, large.length]);
  });
}

test("messages of a stream stay in their order, whatever their size", async () => {
  const server = await startServer();
  const client = createEchoClient(connectTo(server, { compression: "gzip" }));
  const payloads = [large, small, large.subarray(0, 10), large.subarray(1), small.subarray(1), large.subarray(2)];
  async function* requests(): AsyncGenerator<{ payload: Buffer }> {
    for (const payload of payloads) yield { payload };
  }
  const replies = await collect(client.bidiStream(requests()));
  assert.equal(replies.length, payloads.length + 1);
  for (const [index, payload] of payloads.entries()) assert.ok(payload.equals(replies[index]!.payload), String(index));
});

test("a call that is cancelled while its message is compressed is never sent", async () => {
  const operations: string[] = [];
  const watch: Middleware = (next) => (call) => {
    operations.push(call.operation);
    return next(call);
  };
  const server = await startServer({ middleware: [watch] });
  const client = createEchoClient(connectTo(server, { compression: "gzip" }));
  await client.unary({});
  const abort = new AbortController();
  const failure = failureOf(client.unary({ payload: large }, { signal: abort.signal }));
  async function* requests(): AsyncGenerator<{ payload: Buffer }> {
    yield { payload: large };
  }
  const streamFailure = failureOf(client.clientStream(requests(), { signal: abort.signal }));
  await settle();
  abort.abort();
  assert.equal((await failure).code, 499);
  assert.equal((await streamFailure).code, 499);
  await client.unary({ payload: large });
  assert.equal(operations.filter((operation) => operation.endsWith("/Unary")).length, 2);
});

// The server's replies, which clients of all protocols get from the same hand.

const transports: readonly (readonly [string, (server: Server) => Client])[] = [
  ["gRPC", (server) => new GrpcClient({ endpoint: server.endpoints().find(({ protocol }) => protocol === "grpc:")! })],
  ["Connect", (server) => new ConnectClient({ endpoint: server.endpoint() })],
  ["Connect over HTTP/2", (server) => new ConnectClient({ endpoint: server.endpoint(), http2: true })],
  ["gRPC-Web", (server) => new GrpcWebClient({ endpoint: server.endpoint() })],
];

/** A server whose replies all wait for `release`, then come in one turn of the event loop: as large as the request says. */
async function startHeldServer(options: ServerOptions = {}) {
  const gate = Promise.withResolvers<void>();
  const calls: Call[] = [];
  const sent: number[] = [];
  let held = 0;
  let hasEnded = false;
  const watch: Middleware = (next) => (call) => {
    calls.push(call);
    call.onMessage((direction, message) => {
      if (direction === "sent") sent.push((message as unknown as { payload: Uint8Array }).payload.length);
    });
    return next(call);
  };
  const methods = {
    ...echoImplementation,
    async unary(request: { count: number }) {
      held++;
      await gate.promise;
      return { payload: large.subarray(0, request.count) };
    },
    async *serverStream() {
      held++;
      await gate.promise;
      try {
        for (const size of mixedSizes) yield { payload: large.subarray(0, size) };
      } finally {
        hasEnded = true;
      }
    },
  };
  const server = new Server({
    address: "127.0.0.1:0",
    services: [service(Echo, methods)],
    middleware: [watch],
    compression: "gzip",
    timeoutMs: 0,
    ...options,
  });
  await server.start();
  after(() => server.stop(AbortSignal.abort()));
  return { server, calls, sent, held: () => held, hasEnded: () => hasEnded, release: () => gate.resolve() };
}

const mixedSizes = [large.length, small.length, 10, large.length - 1, large.length, small.length - 1];

for (const [name, connect] of transports) {
  test(`${name}: a large reply leaves the event loop free while it is compressed, and a server that stops waits for it`, async () => {
    const { server, sent, held, release } = await startHeldServer();
    const client = createEchoClient(connect(server));
    const slow = client.unary({ count: large.length });
    await until(() => held() === 1);
    const quick = client.unary({ count: small.length });
    await until(() => held() === 2);
    release();
    await settle();
    assert.deepEqual(sent, [small.length], "the small one has gone, the large one waits for its thread");
    const stopped = server.stop(AbortSignal.timeout(patientMs));
    assert.ok(large.equals((await slow).payload));
    assert.ok(small.equals((await quick).payload));
    assert.deepEqual(sent, [small.length, large.length]);
    await stopped;
  });

  test(`${name}: replies of a stream stay in their order, whatever their size`, async () => {
    const { server, sent, release } = await startHeldServer();
    const client = createEchoClient(connect(server));
    release();
    const replies = await collect(client.serverStream({}));
    assert.deepEqual(sent, mixedSizes);
    assert.equal(replies.length, mixedSizes.length);
    for (const [index, size] of mixedSizes.entries()) {
      assert.ok(large.subarray(0, size).equals(replies[index]!.payload), String(index));
    }
  });

  test(`${name}: a call that is cancelled while its reply is compressed ends at once, and without it`, async () => {
    const { server, calls, sent, held, hasEnded, release } = await startHeldServer();
    const client = createEchoClient(connect(server));
    const failures = [failureOf(client.unary({ count: large.length })), failureOf(collect(client.serverStream({})))];
    await until(() => held() === 2);
    release();
    await settle();
    for (const call of calls) call.cancel(new ServiceError(409, "NO_MORE", "no more"));
    for (const failure of failures) assert.equal((await failure).reason, "NO_MORE");
    await until(hasEnded);
    assert.ok(large.equals((await client.unary({ count: large.length })).payload));
    assert.deepEqual(sent, [large.length]);
  });

  test(`${name}: a reply that cannot be compressed is an error, and the log tells why`, async (t) => {
    const fail = (_bytes: unknown, _options: unknown, done: (error: Error) => void): void => {
      setImmediate(done, new Error("no memory"));
    };
    t.mock.method(zlib, "brotliCompress", fail as typeof zlib.brotliCompress);
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    const told: unknown[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (_message, fields) => told.push((fields!.error as Error).message),
    };
    const { server, sent, release } = await startHeldServer({ compression: "br", logger });
    const client = createEchoClient(connect(server));
    release();
    const failures = [failureOf(client.unary({ count: large.length })), failureOf(collect(client.serverStream({})))];
    for (const { code, reason, message } of await Promise.all(failures)) {
      assert.deepEqual([code, reason], [500, "UNKNOWN"]);
      assert.doesNotMatch(message, /memory/);
    }
    assert.deepEqual(told, ["no memory", "no memory"]);
    assert.deepEqual(sent, []);
  });
}

test("messages that are small only while they are compressed leave the event loop free", async (t) => {
  const received: number[] = [];
  let started = (): void => {};
  const isStarted = new Promise<void>((resolve) => (started = resolve));
  const server = await startServer({
    middleware: [
      (next) => (call) => {
        call.onMessage((direction) => {
          if (direction === "received") received.push(received.length);
        });
        started();
        return next(call);
      },
    ],
  });
  const session = connectHttp2(server.endpoint().href.replace("grpc:", "http:"));
  t.after(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/test.v1.Echo/ClientStream",
    "content-type": "application/grpc",
    "grpc-encoding": "br",
    te: "trailers",
  });
  // Field 3, the payload, of 3 MiB of zeros.
  const message = Buffer.concat([Buffer.from("1a8080c001", "hex"), Buffer.alloc(3 * 1024 * 1024)]);
  const bomb = zlib.brotliCompressSync(message);
  assert.ok(bomb.length < 100);
  const frame = Buffer.concat([Buffer.from([1, 0, 0, 0, bomb.length]), bomb]);
  // One packet, one piece of data.
  const count = 20;
  stream.end(Buffer.concat(new Array<Buffer>(count).fill(frame)));
  await isStarted;
  const turns = new Set<number>();
  for (let turn = 0; received.length < count; turn++) {
    const before = received.length;
    await new Promise((resolve) => setImmediate(resolve));
    if (received.length > before) turns.add(turn);
  }
  assert.ok(turns.size > count / 4, `all came within ${turns.size} turns of the event loop`);
  await once(stream.resume(), "close");
});
