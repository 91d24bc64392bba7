import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeInteger, encodeInteger } from "./integer.ts";

function encode(value: number, prefixBits: number, pattern = 0): string {
  const bytes = Buffer.alloc(8);
  return bytes.toString("hex", 0, encodeInteger(bytes, 0, prefixBits, pattern, value));
}

function decode(hex: string, prefixBits: number): number {
  const bytes = Buffer.from(hex, "hex");
  const cursor = { at: 0, end: bytes.length };
  const value = decodeInteger(bytes, cursor, prefixBits);
  assert.equal(cursor.at, bytes.length);
  return value;
}

test("integers are the RFC's (7541 appendix C.1)", () => {
  assert.equal(encode(10, 5), "0a");
  assert.equal(encode(1337, 5), "1f9a0a");
  assert.equal(encode(42, 8), "2a");
  assert.equal(decode("1f9a0a", 5), 1337);
  assert.equal(decode("ea", 5), 10);
});

test("integers come back at the edges of every prefix", () => {
  for (let prefixBits = 4; prefixBits <= 7; prefixBits++) {
    const max = (1 << prefixBits) - 1;
    for (const value of [0, 1, max - 1, max, max + 1, max + 127, max + 128, max + 16_383, max + 16_384, 1 << 20]) {
      assert.equal(decode(encode(value, prefixBits), prefixBits), value);
    }
  }
});

test("an integer that is cut off, or too large for anything, is refused", () => {
  for (const hex of ["", "1f", "1f80", "1fffffffffff", "1f8080808000"])
    assert.throws(() => decode(hex, 5), /RFC 9113 section 4.3/);
});
