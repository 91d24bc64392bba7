// Replies that wait for a peer: who takes them loses nothing, however much waits; who does not loses its connection.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, mock, test } from "node:test";
import { ClientSession, ErrorCode, type ServerSessionOptions } from "@clew/http2";
import { Recorder, replyHeaders, replyTrailers } from "./echo.ts";
import { END_STREAM, frame, listen, type RawPeer, requestFields, serveRaw, setting, Type } from "./raw-peer.ts";
import { until } from "./until.ts";

const mebibyte = 1024 * 1024;
const maxPendingBytes = mebibyte;
// How often the session looks.
const lookMs = 1000;

const peers: RawPeer[] = [];

afterEach(() => {
  mock.timers.reset();
  for (const peer of peers.splice(0)) peer.socket.destroy();
});

/** A server that replies this much to each request, by a clock that stands still until it is told, and its peer. */
function serve(replyBytes: number, options: Partial<ServerSessionOptions> = {}) {
  mock.timers.enable({ apis: ["setInterval"] });
  const closed: (Error | undefined)[] = [];
  let accepted = 0;
  const { peer } = serveRaw({
    limits: { maxPendingBytes },
    now: () => 0,
    onClose: (error) => void closed.push(error),
    accept(stream) {
      accepted++;
      stream.sendReply(replyHeaders, Buffer.alloc(replyBytes), replyTrailers);
      return new Recorder();
    },
    ...options,
  });
  peers.push(peer);
  return {
    peer,
    closed,
    /** Sends `first` and requests in one write, and waits until each has its reply. */
    async ask(from: number, count: number, ...first: Buffer[]): Promise<void> {
      const before = accepted;
      const requests = Array.from({ length: count }, (_, i) => peer.headers(from + 2 * i, END_STREAM));
      peer.send(...first, ...requests);
      await until(() => accepted === before + count, "all requests");
    },
    look: () => mock.timers.tick(lookMs),
  };
}

/** Lets the server send this much on a stream, and takes it. */
async function take(peer: RawPeer, id: number, bytes: number): Promise<void> {
  peer.send(frame(Type.WINDOW_UPDATE, 0, 0, bytes), frame(Type.WINDOW_UPDATE, 0, id, bytes));
  for (let taken = 0; taken < bytes; ) {
    taken += (await peer.expect(Type.DATA, (one) => one.id === id)).payload.length;
  }
}

function assertTooMuchPending(closed: readonly (Error | undefined)[]): void {
  assert.equal(closed.length, 1);
  assert.match(String(closed[0]?.cause), /too much waits/);
}

test("a peer that gives no window loses its connection, at the look and not before", async () => {
  const { peer, closed, ask, look } = serve(100_000);
  peer.greet(setting(4, 0));
  await ask(1, 30);
  assert.deepEqual(closed, []);
  look();
  assertTooMuchPending(closed);
  assert.equal(await peer.expectGoAway(), ErrorCode.ENHANCE_YOUR_CALM);
});

test("a peer that reads nothing loses its connection, whatever its windows let into the socket's buffer", async () => {
  const { peer, closed, ask, look } = serve(4 * mebibyte);
  // Frames so large that one holds a whole reply.
  peer.greet(Buffer.concat([setting(4, 0), setting(5, 0xffffff)]));
  await ask(1, 2);
  peer.socket.pause();
  await ask(5, 1, frame(Type.WINDOW_UPDATE, 0, 0, 8 * mebibyte), frame(Type.WINDOW_UPDATE, 0, 1, 4 * mebibyte));
  assert.deepEqual(closed, []);
  look();
  assertTooMuchPending(closed);
});

test("a peer that takes what waits may let much of it wait; one that goes on with a trickle may not", async () => {
  const { peer, closed, ask, look } = serve(mebibyte / 2);
  peer.greet(setting(4, 0));
  await ask(1, 10);
  for (let id = 1; id <= 5; id += 2) {
    await take(peer, id, mebibyte / 2);
    look();
  }
  // Asked for while the peer is being watched.
  await ask(21, 4);
  await take(peer, 7, mebibyte / 2);
  look();
  assert.deepEqual(closed, []);
  await take(peer, 9, 100_000);
  look();
  assertTooMuchPending(closed);
});

test("a peer that has taken all but what may wait is left alone, and watched again when there is more", async () => {
  const { peer, closed, ask, look } = serve(mebibyte / 2);
  peer.greet(setting(4, 0));
  await ask(1, 3);
  await take(peer, 1, mebibyte / 2);
  for (let i = 0; i < 5; i++) look();
  assert.deepEqual(closed, []);
  await ask(7, 1);
  assert.deepEqual(closed, []);
  look();
  assertTooMuchPending(closed);
});

test("a server that was too busy to look does not blame the peer for that", async () => {
  let now = 0;
  const { peer, closed, ask, look } = serve(100_000, { now: () => now });
  peer.greet(setting(4, 0));
  await ask(1, 30);
  now += 5000;
  look();
  assert.deepEqual(closed, []);
  now += lookMs;
  look();
  assertTooMuchPending(closed);
});

/** Replies with `pieces` to each request once it is there, and notes which streams are cut off because too much waits. */
function replyWith(cutOff: number[], ...pieces: Buffer[]): ServerSessionOptions["accept"] {
  return (stream) => ({
    onData() {},
    onEnd() {
      stream.sendHeaders(replyHeaders, false);
      for (const piece of pieces) stream.sendData(piece);
      stream.sendTrailers(replyTrailers);
    },
    onReset(_code, error) {
      if (/maxUnsentBytes/.test(String(error))) cutOff.push(stream.id);
    },
    onDrain() {},
  });
}

test("replies that would be more than may wait at once cost their streams, before any look; the others arrive whole", async () => {
  const cutOff: number[] = [];
  const limits = { maxPendingBytes, maxUnsentBytes: mebibyte };
  const { peer, closed, look } = serve(0, { limits, accept: replyWith(cutOff, Buffer.alloc(100_000)) });
  peer.greet(setting(4, 0));
  const ids = Array.from({ length: 30 }, (_, i) => 1 + 2 * i);
  peer.send(...ids.map((id) => peer.headers(id, END_STREAM)));
  // Ten are 1,000,000 bytes.
  await until(() => cutOff.length === 20, "the ends of those that are too much");
  assert.deepEqual(cutOff, ids.slice(10));
  for (const id of cutOff) {
    const { payload } = await peer.expect(Type.RST_STREAM, (one) => one.id === id);
    assert.equal(payload.readUInt32BE(), ErrorCode.ENHANCE_YOUR_CALM);
  }
  for (const id of ids.slice(0, 10)) {
    await take(peer, id, 100_000);
    await peer.expect(Type.HEADERS, (one) => one.id === id && (one.flags & END_STREAM) !== 0);
  }
  // There is room again.
  peer.send(peer.headers(61, END_STREAM));
  await take(peer, 61, 100_000);
  await peer.expect(Type.HEADERS, (one) => one.id === 61 && (one.flags & END_STREAM) !== 0);
  look();
  assert.deepEqual([closed, cutOff.length], [[], 20]);
});

test("a reply that alone is more than may wait is kept, and so is what comes in small pieces beside it", async () => {
  const cutOff: number[] = [];
  const large = Buffer.alloc(300_000);
  const small = Buffer.alloc(60_000);
  const replies = [[large], ...Array.from({ length: 10 }, () => [small, small]), [large]];
  const { peer, closed } = serve(0, {
    limits: { maxUnsentBytes: 200_000 },
    accept: (stream, fields) => replyWith(cutOff, ...replies[stream.id >> 1]!)(stream, fields),
  });
  peer.greet(setting(4, 0));
  const ids = replies.map((_, i) => 1 + 2 * i);
  peer.send(...ids.map((id) => peer.headers(id, END_STREAM)));
  await until(() => cutOff.length > 0, "the end of the one that is too much");
  assert.deepEqual(cutOff, [23]);
  await take(peer, 1, large.length);
  for (const id of ids.slice(1, -1)) await take(peer, id, 2 * small.length);
  assert.deepEqual(closed, []);
});

test("a reader of 1 MiB a second gets 100 replies of that size, asked for at once", async () => {
  const cutOff: number[] = [];
  const { peer, closed, look } = serve(0, { limits: {}, accept: replyWith(cutOff, Buffer.alloc(mebibyte)) });
  peer.greet(setting(4, 0));
  const ids = Array.from({ length: 100 }, (_, i) => 1 + 2 * i);
  peer.send(...ids.map((id) => peer.headers(id, END_STREAM)));
  for (const id of ids) {
    await take(peer, id, mebibyte);
    look();
    await peer.expect(Type.HEADERS, (one) => one.id === id && (one.flags & END_STREAM) !== 0);
  }
  assert.deepEqual([closed, cutOff], [[], []]);
});

for (const [count, replyBytes] of [
  [40, 4 * mebibyte],
  [1000, mebibyte],
] as const) {
  test(`a client that takes ${count} replies of ${replyBytes} bytes at once over one connection gets all of them`, async () => {
    const reply = Buffer.alloc(replyBytes);
    const closed: (Error | undefined)[] = [];
    const server = await listen(() => ({
      onClose: (error) => void closed.push(error),
      accept: (stream) => ({
        onData() {},
        onEnd: () => stream.sendReply(replyHeaders, reply, replyTrailers),
        onReset() {},
        onDrain() {},
      }),
    }));
    const socket = connect(server.port, "127.0.0.1");
    await once(socket, "connect");
    const session = new ClientSession(socket);
    const calls = Array.from({ length: count }, () => {
      const call = { bytes: 0, end: "" };
      session.openStream(requestFields, Buffer.alloc(0), {
        onHeaders() {},
        onData(bytes) {
          call.bytes += bytes.length;
        },
        onEnd(trailers) {
          call.end = trailers.join(" ");
        },
        onReset(code, error) {
          call.end = `reset ${code} ${error?.message}`;
        },
        onDrain() {},
      });
      return call;
    });
    await until(() => calls.every(({ end }) => end !== ""), "the ends of all calls");
    for (const call of calls) assert.deepEqual(call, { bytes: replyBytes, end: replyTrailers.join(" ") });
    assert.deepEqual(closed, []);
    session.destroy();
    await server.close();
  });
}
