// What requests hold that are not whole yet: it counts for the whole connection, and honest callers wait their turn.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { ClientSession, type ClientStream } from "@clew/http2";
import { Server } from "@clew/transport";
import type { Filter } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { connectTo, createEchoClient, echo, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";
import { standstill } from "./standstill.ts";

const mebibyte = 1024 * 1024;
// What a stream may send before it hears from the server.
const windowBytes = mebibyte / 4;

/** A connection that sends what it likes as far as the windows allow, and the socket that tells how far that was. */
async function open(server: { endpoint(): URL }): Promise<{ session: ClientSession; socket: Socket }> {
  const socket = connect(Number(server.endpoint().port), "127.0.0.1");
  await once(socket, "connect");
  const session = new ClientSession(socket);
  after(() => socket.destroy());
  // Before, it would open more streams than the server takes.
  await until(() => session.roundTripMs > 0, "the server's settings");
  return { session, socket };
}

/** Begins a call; `statuses` gets how it ends. */
function begin(
  session: ClientSession,
  method: string,
  statuses: string[],
  own: readonly string[] = ["content-type", "application/grpc", "te", "trailers"],
  statusName = "grpc-status",
): ClientStream {
  const headers = [":method", "POST", ":scheme", "http", ":path", `/test.v1.Echo/${method}`, ":authority", "test"];
  headers.push(...own);
  let hasEnded = false;
  const end = (status: string): void => {
    if (!hasEnded) statuses.push(status);
    hasEnded = true;
  };
  const read = (fields: readonly string[]): void => {
    const at = fields.indexOf(statusName);
    if (at >= 0) end(fields[at + 1]!);
  };
  return session.openStream(headers, undefined, {
    onHeaders: read,
    onData() {},
    onEnd: read,
    onReset: (code) => end(`reset ${code}`),
    onDrain() {},
  });
}

/** A message of this many bytes with its prefix: an unknown field, which every message passes over. */
function frameOf(length: number): Buffer {
  const frame = Buffer.alloc(5 + length);
  frame.writeUInt32BE(length, 1);
  // Field 100, bytes; their length in four bytes.
  frame.set([0xa2, 0x06], 5);
  const left = length - 6;
  frame.set([(left & 0x7f) | 0x80, ((left >> 7) & 0x7f) | 0x80, ((left >> 14) & 0x7f) | 0x80, left >> 21], 7);
  return frame;
}

/** Waits until all that was begun has ended. */
async function endOf(statuses: readonly string[], count: number): Promise<ReadonlySet<string>> {
  await until(() => statuses.length >= count, `${count} ends`);
  assert.equal(statuses.length, count);
  return new Set(statuses);
}

const frame = frameOf(4 * mebibyte - 10);
const ok = new Set(["0"]);

// What the server takes in one message may be given out only with its end.
for (const [method, what, missing] of [
  ["ClientStream", "almost whole", 1],
  ["Unary", "almost whole", 1],
  ["Unary", "whole, and not the last", 0],
  ["ServerStream", "whole, and not the last", 0],
] as const) {
  test(`${method}: messages that are ${what} hold no more than is allowed, and those that end are answered`, async () => {
    const server = await startServer({ maxUnfinishedBytes: 6 * mebibyte });
    const { session, socket } = await open(server);
    const statuses: string[] = [];
    const streams = Array.from({ length: 16 }, () => begin(session, method, statuses));
    for (const stream of streams) stream.sendData(frame.subarray(0, frame.length - missing));
    const held = await standstill(() => socket.bytesWritten);
    // A second message does not get in beside the first, and whatever waits has sent no more than its first window.
    assert.ok(held < 4 * mebibyte + 15 * windowBytes + 100_000, `${held} bytes were taken`);

    // What is small goes on meanwhile.
    const small: string[] = [];
    for (let i = 0; i < 50; i++) begin(session, "Unary", small).sendData(frameOf(20_000), true);
    assert.deepEqual(await endOf(small, 50), ok);
    assert.deepEqual(statuses, []);

    for (const stream of streams) stream.sendData(frame.subarray(frame.length - missing), true);
    assert.deepEqual(await endOf(statuses, streams.length), ok);
    await server.stop(AbortSignal.timeout(patientMs));
  });
}

const connectType = ["content-type", "application/proto", "connect-protocol-version", "1"];
const filters: Filter[] = [(next) => next];

for (const [name, own, message, options] of [
  ["Connect", connectType, frame.subarray(5), {}],
  ["Connect inside of a filter", connectType, frame.subarray(5), { filters }],
  ["gRPC-Web inside of a filter", ["content-type", "application/grpc-web+proto"], frame, { filters }],
] as const) {
  test(`${name}: bodies that do not say how long they are hold no more either`, async () => {
    const server = new Server({
      address: "127.0.0.1:0",
      services: [echo],
      maxUnfinishedBytes: 6 * mebibyte,
      timeoutMs: patientMs,
      ...options,
    });
    await server.start();
    after(() => server.stop(AbortSignal.abort()));
    const { session, socket } = await open(server);
    const statuses: string[] = [];
    const streams = Array.from({ length: 16 }, () => begin(session, "Unary", statuses, own, ":status"));
    for (const stream of streams) stream.sendData(message.subarray(0, -1));
    const held = await standstill(() => socket.bytesWritten);
    assert.ok(held < 4 * mebibyte + 15 * windowBytes + 100_000, `${held} bytes were taken`);
    for (const stream of streams) stream.sendData(message.subarray(-1), true);
    assert.deepEqual(await endOf(statuses, streams.length), new Set(["200"]));
  });
}

test("what is never finished ends with the server's timeout, or with its caller, and leaves its room to others", async () => {
  const server = await startServer({ maxUnfinishedBytes: 6 * mebibyte, timeoutMs: 200 });
  const { session } = await open(server);
  const cutOff: string[] = [];
  const late: string[] = [];
  const whole: string[] = [];
  const streams = Array.from({ length: 4 }, () => begin(session, "ClientStream", cutOff));
  for (let i = 0; i < 4; i++) streams.push(begin(session, "Unary", late));
  for (const stream of streams) stream.sendData(frame.subarray(0, -1));
  for (let i = 0; i < 4; i++) begin(session, "ClientStream", whole).sendData(frame, true);
  // DEADLINE_EXCEEDED, also where the message never got its turn.
  assert.deepEqual(await endOf(late, 4), new Set(["4"]));
  assert.deepEqual(whole, []);
  for (const stream of streams.slice(0, 4)) stream.reset(8);
  assert.deepEqual(await endOf(whole, 4), ok);
  await server.stop(AbortSignal.timeout(patientMs));
});

test("a second large message where there is one is refused before it is whole", async () => {
  const server = await startServer();
  const { session } = await open(server);
  const statuses: string[] = [];
  const stream = begin(session, "Unary", statuses);
  stream.sendData(frame);
  stream.sendData(frame.subarray(0, 200_000));
  // UNIMPLEMENTED.
  assert.deepEqual(await endOf(statuses, 1), new Set(["12"]));
  await server.stop(AbortSignal.timeout(patientMs));
});

test("200 uploads at once over one connection all succeed, and small calls beside them", async () => {
  // More than the connection of a server might have waiting: 100 MiB.
  const payload = new Uint8Array(mebibyte / 2);
  const server = await startServer({ maxUnfinishedBytes: 2 * mebibyte });
  const client = createEchoClient(connectTo(server));
  async function* upload(): AsyncIterable<{ payload: Uint8Array }> {
    yield { payload };
    yield { payload };
  }
  const uploads = Array.from({ length: 100 }, () => client.clientStream(upload()));
  const single = Array.from({ length: 100 }, (_, count) => client.unary({ count, payload }));
  const small = Array.from({ length: 200 }, (_, count) => client.unary({ count }));
  assert.deepEqual(new Set((await Promise.all(uploads)).map(({ count }) => count)), new Set([2]));
  for (const [at, reply] of (await Promise.all(single)).entries()) {
    assert.deepEqual([reply.count, reply.payload.length], [at, payload.length]);
  }
  assert.deepEqual(
    (await Promise.all(small)).map(({ count }) => count),
    small.map((_, at) => at),
  );
  await server.stop(AbortSignal.timeout(patientMs));
});
