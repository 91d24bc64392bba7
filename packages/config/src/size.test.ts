import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSize } from "./size.ts";

test("sizes are bytes: K is 1000, Ki is 1024, in any case", () => {
  const sizes = {
    "0": 0,
    "512B": 512,
    "64KiB": 65_536,
    "64ki": 65_536,
    "10MB": 1e7,
    "1.5GiB": 1.5 * 2 ** 30,
    "2 k": 2_000,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes, text);
  assert.equal(parseSize(7), 7);
});

test("what is no size is refused with examples", () => {
  for (const wrong of ["", "x", "-1", "1.5.2k", "1PB", 1.5, -1, Number.NaN, null, "99999999TB"]) {
    assert.throws(() => parseSize(wrong), { code: "CLEW_CONFIG_SIZE" }, String(wrong));
  }
});
