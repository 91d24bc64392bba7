import assert from "node:assert/strict";
import { test } from "node:test";
import { readDuration, readLimit, readNumber, readTags, readTraceId } from "./parameters.ts";

const of = (value: string): URLSearchParams => new URLSearchParams([["x", value]]);
const invalid = { name: "ServiceError", code: 400, reason: "INVALID_ARGUMENT" };

test("reads durations as Go writes them", () => {
  const cases: [string, number | undefined][] = [
    ["", undefined],
    ["1.2s", 1_200_000],
    ["100ms", 100_000],
    ["250us", 250],
    ["250µs", 250],
    ["500ns", 0.5],
    ["1h30m", 5_400_000_000],
    ["2d", 172_800_000_000],
  ];
  for (const [text, us] of cases) assert.equal(readDuration(of(text), "x"), us, text);
  for (const text of ["5", "s", "1 s", "-1s", "1y", "1s;"])
    assert.throws(() => readDuration(of(text), "x"), invalid, text);
});

test("reads numbers, limits, tags and trace ids, and names what is none", () => {
  assert.equal(readNumber(of("1.5"), "x"), 1.5);
  for (const text of ["-1", "x", "Infinity", "NaN"]) assert.throws(() => readNumber(of(text), "x"), invalid, text);
  const limit = (text: string): number => readLimit(new URLSearchParams([["limit", text]]), 20, 100);
  assert.deepEqual([limit(""), limit("0"), limit("7"), limit("5000")], [20, 20, 7, 100]);
  assert.throws(() => limit("1.5"), invalid);
  assert.deepEqual(readTags(of("url:http://a:1"), "x"), [{ key: "url", value: "http://a:1" }]);
  assert.throws(() => readTags(of("novalue"), "x"), { ...invalid, message: 'x is "novalue"; it must be key:value' });
  assert.throws(() => readTags(of(":v"), "x"), invalid);
  assert.equal(readTraceId("ABC"), "abc".padStart(32, "0"));
  for (const text of ["", "xyz", "0".repeat(33)]) assert.throws(() => readTraceId(text), invalid, text);
});
