import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { mock, test } from "node:test";
import {
  ClientSession,
  type ClientStream,
  ErrorCode,
  ServerSession,
  type ServerStream,
  type StreamListener,
} from "@clew/http2";
import { forSeeds, type Random } from "./random.ts";
import { END_STREAM, frame, type RawPeer, requestFields, serveRaw, setting, Type } from "./raw-peer.ts";
import { until } from "./until.ts";

test("a server never sends more than the windows allow, whatever they do, and in the end everything", async () => {
  await forSeeds(40, async (random) => {
    const bodies = new Map<number, Buffer>();
    const { peer } = serveRaw({
      accept(stream) {
        const body = random.bytes(random.below(60_000));
        bodies.set(stream.id, body);
        stream.sendHeaders([":status", "200"], false);
        for (const piece of cut(random, body)) stream.sendData(piece);
        if (random.below(2) === 0) stream.sendTrailers(["grpc-status", "0"]);
        else stream.sendEnd();
        return { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
      },
    });
    // What the server may still send, as this end sees it.
    let initial = random.pick([0, 1, 100, 65_535]);
    let connection = 65_535;
    const windows = new Map<number, number>();
    const received = new Map<number, Buffer[]>();
    const ended = new Set<number>();
    const take = (): void => {
      for (const { type, flags, id, payload } of peer.frames.splice(0)) {
        if (type === Type.DATA) {
          windows.set(id, windows.get(id)! - payload.length);
          connection -= payload.length;
          assert.ok(
            payload.length === 0 || windows.get(id)! >= 0,
            `stream ${id} is ${windows.get(id)} below its window`,
          );
          assert.ok(connection >= 0, `the connection is ${connection} below its window`);
          received.get(id)!.push(payload);
        }
        if ((type === Type.DATA || type === Type.HEADERS) && (flags & END_STREAM) !== 0) ended.add(id);
      }
    };
    peer.greet(setting(4, initial));
    const count = 1 + random.below(6);
    for (let i = 0; i < count; i++) {
      const id = 2 * i + 1;
      windows.set(id, initial);
      received.set(id, []);
      peer.send(peer.headers(id, END_STREAM));
    }
    for (let round = 0; ended.size < count; round++) {
      await new Promise((resolve) => setImmediate(resolve));
      take();
      // At last no more tricks.
      const isGenerous = round > 30;
      const grant = isGenerous ? 50_000 : random.pick([1, 5, 1000, 20_000]);
      const id = random.pick([...windows.keys()]);
      switch (isGenerous ? round % 2 : random.below(4)) {
        case 0:
          connection += grant;
          peer.send(frame(Type.WINDOW_UPDATE, 0, 0, grant));
          break;
        case 1:
          windows.set(id, windows.get(id)! + grant);
          peer.send(frame(Type.WINDOW_UPDATE, 0, id, grant));
          break;
        case 2: {
          const next = random.pick([0, 1, 300, 40_000]);
          // Smaller windows bind once the server has acknowledged them.
          peer.send(frame(Type.SETTINGS, 0, 0, setting(4, next)));
          await until(
            () => peer.frames.some((one) => one.type === Type.SETTINGS && one.flags === 1),
            "the acknowledgement",
          );
          const at = peer.frames.findIndex((one) => one.type === Type.SETTINGS && one.flags === 1);
          const after = peer.frames.splice(at);
          take();
          for (const [stream, window] of windows) windows.set(stream, window + next - initial);
          initial = next;
          peer.frames.push(...after.slice(1));
          take();
          break;
        }
        default:
      }
      assert.ok(round < 5000, "it goes on");
    }
    for (const [id, body] of bodies) assert.ok(Buffer.concat(received.get(id)!).equals(body), `stream ${id}`);
    peer.socket.destroy();
  });
});

function cut(random: Random, body: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const length = 1 + random.below(random.pick([10, 5000, 40_000]));
    pieces.push(body.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

/** Sends `body` in pieces, as a well-behaved writer: it stops when told to and goes on at onDrain. */
class Writer {
  readonly #stream: ClientStream | ServerStream;
  readonly #pieces: Buffer[];

  constructor(stream: ClientStream | ServerStream, pieces: Buffer[]) {
    this.#stream = stream;
    this.#pieces = pieces;
  }

  write(): void {
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      if (!this.#stream.sendData(piece)) return;
    }
    this.#stream.sendEnd();
  }
}

/** Reads, and pauses now and then. */
class Reader implements StreamListener {
  readonly parts: Buffer[] = [];
  hasEnded = false;
  resets = 0;
  writer: Writer | undefined;
  stream: ClientStream | ServerStream | undefined;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  onHeaders(): void {}

  onData(bytes: Buffer): void {
    this.parts.push(bytes);
    if (this.#random.below(6) !== 0) return;
    this.stream!.pause();
    setImmediate(() => this.stream!.resume());
  }

  onEnd(): void {
    this.hasEnded = true;
  }

  onReset(): void {
    this.resets++;
  }

  onDrain(): void {
    this.writer!.write();
  }
}

test("windows grow while a peer fills them faster than two round trips, up to their limit", async () => {
  let now = 1000;
  const { peer } = serveRaw({
    now: () => now,
    streamWindowBytes: 65_535,
    connectionWindowBytes: 65_535,
    maxWindowBytes: 262_140,
    accept: () => ({ onData() {}, onEnd() {}, onReset() {}, onDrain() {} }),
  });
  // The round trip is measured from our SETTINGS to their acknowledgement.
  await peer.greet().expect(Type.SETTINGS, (one) => one.flags === 0);
  now += 50;
  peer.send(frame(Type.SETTINGS, 1, 0), peer.headers(1, 0));
  let connection = 65_535;
  let stream = 65_535;
  let largest = 0;
  for (let sent = 0; sent < 4_000_000; ) {
    const length = Math.min(16_384, connection, stream);
    if (length > 0) {
      peer.send(frame(Type.DATA, 0, 1, Buffer.alloc(length)));
      connection -= length;
      stream -= length;
      sent += length;
    }
    now += 1;
    await new Promise((resolve) => setImmediate(resolve));
    for (const { type, id, payload } of peer.frames.splice(0)) {
      if (type !== Type.WINDOW_UPDATE) continue;
      if (id === 0) connection += payload.readUInt32BE();
      else stream += payload.readUInt32BE();
    }
    largest = Math.max(largest, stream);
  }
  assert.ok(largest > 200_000 && largest <= 262_140, `the stream's window grew to ${largest}`);
  peer.socket.destroy();
});

test("streams both ways at once, paused and resumed and some cut off, arrive whole", async () => {
  await forSeeds(15, async (random) => {
    const [one, other] = duplexPair();
    const replies: Buffer[] = [];
    const servers: Reader[] = [];
    new ServerSession(one, {
      streamWindowBytes: 65_535,
      connectionWindowBytes: 65_535,
      limits: { maxConcurrentStreams: 3, maxHeldBytes: 50_000 },
      accept(stream) {
        const reader = new Reader(random);
        const body = random.bytes(random.below(300_000));
        replies[(stream.id - 1) / 2] = body;
        servers[(stream.id - 1) / 2] = reader;
        reader.stream = stream;
        reader.writer = new Writer(stream, cut(random, body));
        // Replies while it reads, and ends after the request has: before, the rest of the request would be refused.
        stream.sendHeaders([":status", "200"], false);
        const end = reader.onEnd.bind(reader);
        reader.onEnd = () => {
          end();
          reader.writer!.write();
        };
        return reader;
      },
    });
    const client = new ClientSession(other, { streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    // Before, it would open more streams than the server takes.
    await until(() => client.roundTripMs > 0, "the server's settings");
    const calls = Array.from({ length: 8 }, () => {
      const reader = new Reader(random);
      const body = random.bytes(random.below(300_000));
      const stream = client.openStream(requestFields, undefined, reader);
      reader.stream = stream;
      reader.writer = new Writer(stream, cut(random, body));
      reader.writer.write();
      const isCut = random.below(5) === 0;
      if (isCut) setImmediate(() => stream.reset(8));
      return { reader, body, stream, isCut };
    });
    await until(() => calls.every(({ stream }) => stream.isClosed), "the end of all streams");
    for (const { reader, body, stream, isCut } of calls) {
      const at = (stream.id - 1) / 2;
      if (isCut && !reader.hasEnded) continue;
      assert.ok(Buffer.concat(reader.parts).equals(replies[at]!), `reply ${stream.id}`);
      assert.ok(Buffer.concat(servers[at]!.parts).equals(body), `request ${stream.id}`);
      assert.equal(reader.resets, 0);
    }
    client.destroy();
  });
});

/** Sends on streams as far as the windows allow, and says how far that is. */
class GreedyPeer {
  readonly peer: RawPeer;
  readonly sent = new Map<number, number>();
  readonly resets = new Map<number, number>();
  readonly #windows = new Map<number, number>();
  #connection = 65_535;

  constructor(peer: RawPeer, ids: readonly number[]) {
    this.peer = peer;
    for (const id of ids) {
      this.sent.set(id, 0);
      this.#windows.set(id, 65_535);
      peer.send(peer.headers(id, 0));
    }
  }

  /** Sends until nothing has moved for `rounds`, each of which comes after what was said in the one before. */
  async fill(id: number, mostBytes: number, rounds = 20): Promise<void> {
    for (let still = 0; still < rounds; still++) {
      const length = Math.min(16_384, this.#connection, this.#windows.get(id)!, mostBytes - this.sent.get(id)!);
      if (length > 0) {
        still = 0;
        this.peer.send(frame(Type.DATA, 0, id, Buffer.alloc(length)));
        this.sent.set(id, this.sent.get(id)! + length);
        this.#windows.set(id, this.#windows.get(id)! - length);
        this.#connection -= length;
      }
      await new Promise((resolve) => setImmediate(resolve));
      this.take();
    }
  }

  take(): void {
    for (const { type, id, payload } of this.peer.frames.splice(0)) {
      if (type === Type.RST_STREAM) this.resets.set(id, payload.readUInt32BE());
      if (type !== Type.WINDOW_UPDATE) continue;
      if (id === 0) this.#connection += payload.readUInt32BE();
      else this.#windows.set(id, this.#windows.get(id)! + payload.readUInt32BE());
    }
  }

  /** What it may still send on its streams, if the connection allowed it. */
  get allowedBytes(): number {
    let sum = 0;
    for (const window of this.#windows.values()) sum += window;
    return sum;
  }
}

test("the windows of all streams together grow by no more than is allowed, and again when a stream is over", async () => {
  let now = 1000;
  const ids = [1, 3, 5, 7];
  const { peer } = serveRaw({
    now: () => now,
    streamWindowBytes: 65_535,
    limits: { maxUnfinishedBytes: 200_000 },
    accept: () => ({ onData() {}, onEnd() {}, onReset() {}, onDrain() {} }),
  });
  // A round trip is long, so that all that is sent seems to be fast.
  await peer.greet().expect(Type.SETTINGS, (one) => one.flags === 0);
  now += 10_000;
  peer.send(frame(Type.SETTINGS, 1, 0));
  const greedy = new GreedyPeer(peer, ids);
  for (const id of ids) await greedy.fill(id, 2_000_000);
  // Less than half a window is used and not given back.
  assert.ok(greedy.allowedBytes > 300_000 && greedy.allowedBytes <= 4 * 65_535 + 200_000, `${greedy.allowedBytes}`);
  peer.send(frame(Type.RST_STREAM, 0, 1, ErrorCode.CANCEL), frame(Type.RST_STREAM, 0, 3, ErrorCode.CANCEL));
  const before = greedy.allowedBytes;
  await greedy.fill(7, 4_000_000);
  assert.ok(greedy.allowedBytes > before + 60_000, `${greedy.allowedBytes} after ${before}`);
  peer.socket.destroy();
});

test("a stream whose message does not fit beside others gets no window until it does; one that stands still gives way", async () => {
  const stallTimeoutMs = 60_000;
  mock.timers.enable({ apis: ["setInterval"] });
  const streams: ServerStream[] = [];
  const ends: string[] = [];
  const { peer } = serveRaw({
    streamWindowBytes: 65_535,
    limits: { maxUnfinishedBytes: 1_000_000, stallTimeoutMs },
    accept(stream) {
      streams.push(stream);
      stream.reserve(900_000);
      return {
        onData() {},
        onEnd() {},
        onReset: (code, error) => void ends.push(`${stream.id} ${code} ${error?.message}`),
        onDrain() {},
      };
    },
  });
  const greedy = new GreedyPeer(peer.greet(), [1]);
  await greedy.fill(1, 500_000);
  assert.equal(greedy.sent.get(1), 500_000, "it has room");
  const waiting = new GreedyPeer(peer, [3]);
  await waiting.fill(3, 900_000, 5);
  assert.equal(waiting.sent.get(3), 65_535, "its first window");
  mock.timers.tick(stallTimeoutMs);
  assert.deepEqual(ends, []);
  mock.timers.tick(stallTimeoutMs);
  mock.timers.reset();
  assert.equal(ends.length, 1);
  assert.match(ends[0]!, /^1 11 .*maxUnfinishedBytes/);
  await until(async () => {
    await waiting.fill(3, 900_000);
    return waiting.sent.get(3) === 900_000;
  }, "all that the other one had to send");
  assert.equal(waiting.resets.get(1), ErrorCode.ENHANCE_YOUR_CALM);
  assert.equal(ends.length, 1);
  peer.socket.destroy();
});
