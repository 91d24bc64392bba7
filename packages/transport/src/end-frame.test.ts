import assert from "node:assert/strict";
import { it } from "node:test";
import { EndFrameReader } from "./end-frame.ts";

const endFlag = 0x80;

function frame(flags: number, text: string): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text, "latin1")]);
}

function read(bytes: Buffer, size: number, maxBytes = 1000): { messages: Buffer; reader: EndFrameReader } {
  const chunks: Buffer[] = [];
  const reader = new EndFrameReader(endFlag, maxBytes, (chunk) => chunks.push(chunk));
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  return { messages: Buffer.concat(chunks), reader };
}

const messages = Buffer.concat([frame(0, "hello"), frame(1, ""), frame(0, "\x80\x80\x80\x80\x80\x80\x80")]);

it("tells the last frame from those of messages, however they are split", () => {
  const bytes = Buffer.concat([messages, frame(0x81, "the end")]);
  for (let size = 1; size <= bytes.length; size++) {
    const { messages: passed, reader } = read(bytes, size);
    assert.deepEqual(passed, messages, `in pieces of ${size}`);
    assert.equal(String(reader.frame?.bytes), "the end");
    assert.equal(reader.frame?.isCompressed, true);
    assert.equal(reader.isBroken, false);
  }
});

it("takes an empty last frame, also as the only one", () => {
  for (const size of [1, 5]) assert.equal(read(frame(0x80, ""), size).reader.frame?.bytes.length, 0);
});

it("has no last frame before all of it is there", () => {
  const bytes = frame(0x80, "the end");
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(read(bytes.subarray(0, length), 3).reader.frame, undefined);
  }
});

it("is broken by what follows the last frame, and by one that is too large", () => {
  for (const size of [1, 7, 100]) {
    assert.equal(read(Buffer.concat([frame(0x80, "end"), Buffer.from([0])]), size).reader.isBroken, true);
    const { reader } = read(frame(0x80, "x".repeat(50)), size, 49);
    assert.equal(reader.isBroken, true);
    assert.equal(reader.frame, undefined);
  }
});
