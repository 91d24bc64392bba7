import assert from "node:assert/strict";
import { test } from "node:test";
import { readBytes, readDouble, readInt32, readIntKey } from "./json-reader.ts";

test("a number in a string is written as JSON writes numbers", () => {
  for (const [text, value] of [
    ["7", 7],
    ["-0", -0],
    ["1.0", 1],
    ["1e2", 100],
    ["2E+1", 20],
  ] as const) {
    assert.equal(readInt32(text, "f") === value, true, text);
  }
  for (const text of ["", " 1", "1 ", "+5", "0x10", "0b1", "1_0", "007", ".5", "5.", "Infinity"]) {
    assert.throws(() => readInt32(text, "f"), /cannot decode f from JSON: expected int32/, text);
    if (text !== "Infinity") assert.throws(() => readDouble(text, "f"), /expected a number/, text);
  }
});

test("the key of a map is written in digits", () => {
  assert.equal(readIntKey("-5", readInt32, "f"), "-5");
  for (const key of ["1.0", "1e3", "+5", " 5", ""])
    assert.throws(() => readIntKey(key, readInt32, "f"), /whole number/, key);
});

test("bytes are base64 of either alphabet, and nothing else", () => {
  assert.deepEqual(readBytes("-_8=", "f"), Uint8Array.of(251, 255));
  assert.deepEqual(readBytes("-_8", "f"), Uint8Array.of(251, 255));
  for (const text of ["====", "A", "A===", "!!", "AA=A"]) assert.throws(() => readBytes(text, "f"), /base64/, text);
});
