import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFrame, type Frame, FrameReader } from "./frame.ts";

describe("encodeFrame", () => {
  it("writes flag, length and message", () => {
    assert.equal(Buffer.from(encodeFrame(Buffer.from("abc"), false)).toString("hex"), "0000000003616263");
    assert.equal(Buffer.from(encodeFrame(Buffer.from(""), true)).toString("hex"), "0100000000");
  });
});

describe("FrameReader", () => {
  it("reads the same frames however their bytes are split", () => {
    const messages = [0, 1, 4, 5, 6, 300, 0, 70_000, 3].map((size, i) => Buffer.alloc(size, i + 1));
    const bytes = Buffer.concat(messages.map((message, i) => encodeFrame(message, i % 2 === 1)));
    const random = createRandom(42);
    for (let round = 0; round < 300; round++) {
      // From single bytes to everything at once.
      const longest = Math.ceil(2 ** (random() * 17));
      const reader = new FrameReader(100_000);
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + Math.floor(random() * longest);
        // A copy of its own, as a socket would give, so that a frame that looks into a later chunk shows.
        reader.push(Uint8Array.from(bytes.subarray(at, at + size)));
        at += size;
        // Sometimes frames wait and pile up.
        if (random() < 0.5) drain(reader, frames);
      }
      drain(reader, frames);
      assert.equal(reader.bufferedBytes, 0);
      assert.deepEqual(
        frames.map((frame) => frame.isCompressed),
        messages.map((_, i) => i % 2 === 1),
      );
      for (const [i, frame] of frames.entries()) assert.ok(messages[i]!.equals(frame.bytes), `message ${i}`);
    }
  });

  it("keeps frames intact that were given out before more arrived", () => {
    const reader = new FrameReader(100);
    const bytes = Buffer.concat([encodeFrame(Buffer.from("first"), false), encodeFrame(Buffer.from("second"), false)]);
    reader.push(bytes.subarray(0, 3));
    reader.push(bytes.subarray(3, 12));
    const first = reader.next()!;
    reader.push(bytes.subarray(12));
    assert.equal(Buffer.from(reader.next()!.bytes).toString(), "second");
    assert.equal(Buffer.from(first.bytes).toString(), "first");
  });

  it("accepts a message of exactly the limit, and refuses a longer one as soon as its prefix is there", () => {
    const reader = new FrameReader(10);
    reader.push(encodeFrame(Buffer.alloc(10), false));
    assert.equal(reader.next()?.bytes.length, 10);
    reader.push(Buffer.from([0, 0, 0, 0, 11]));
    assert.throws(() => reader.next(), { code: 429 });
  });

  it("reads lengths above 2 GiB as what they are", () => {
    const reader = new FrameReader(10);
    reader.push(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
    assert.throws(() => reader.next(), /4294967295 bytes/);
  });

  it("refuses a flag that is neither 0 nor 1", () => {
    const reader = new FrameReader(10);
    reader.push(Buffer.from([2, 0, 0, 0, 0]));
    assert.throws(() => reader.next(), { code: 400, reason: "CODEC" });
  });

  it("takes no memory for what a prefix claims before it arrives", () => {
    const reader = new FrameReader(2 ** 31);
    const before = process.memoryUsage().arrayBuffers;
    reader.push(Buffer.from([0, 0x7f, 0xff, 0xff]));
    for (let i = 0; i < 100; i++) reader.push(Buffer.from([0xff]));
    assert.equal(reader.next(), undefined);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  });
});

function drain(reader: FrameReader, frames: Frame[]): void {
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
}

// Mulberry32: a failure must come again.
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
