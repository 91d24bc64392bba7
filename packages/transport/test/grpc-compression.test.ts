// What a client compresses: small messages at once, large ones on zlib's threads, and the order of a stream stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createServiceClient, type Middleware } from "@clew/rpc";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, startServer } from "./grpc-echo.ts";
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
