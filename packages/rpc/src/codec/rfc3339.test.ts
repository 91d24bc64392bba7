import assert from "node:assert/strict";
import { test } from "node:test";
import { readTime, secondsMax, secondsMin, writeTime } from "./rfc3339.ts";

function write(seconds: number): string {
  const bytes = Buffer.alloc(19);
  assert.equal(writeTime(bytes, 0, seconds), 19);
  return bytes.toString();
}

test("times are written and read as Date does", () => {
  const step = 8_640_000 + 3_599;
  for (let seconds = secondsMin; seconds <= secondsMax; seconds += step) {
    const expected = new Date(seconds * 1000).toISOString().slice(0, 19);
    assert.equal(write(seconds), expected);
    assert.deepEqual(readTime(`${expected}Z`), { seconds, nanos: 0 });
  }
  for (const year of [1, 4, 100, 400, 1900, 2000, 2024, 2025, 9999]) {
    for (let day = 0; day < 367; day++) {
      const ms = new Date(0).setUTCFullYear(year, 0, 1 + day);
      if (ms / 1000 > secondsMax) continue;
      assert.equal(write(ms / 1000), new Date(ms).toISOString().slice(0, 19));
    }
  }
});

test("fractions and zones are read", () => {
  assert.deepEqual(readTime("1970-01-01T00:00:00.5Z"), { seconds: 0, nanos: 500_000_000 });
  assert.deepEqual(readTime("1970-01-01T00:00:00.000000001Z"), { seconds: 0, nanos: 1 });
  assert.deepEqual(readTime("1970-01-01T01:30:00+01:30"), { seconds: 0, nanos: 0 });
  assert.deepEqual(readTime("1969-12-31T16:00:00-08:00"), { seconds: 0, nanos: 0 });
});

test("what is no time is none", () => {
  for (const text of [
    "",
    "1970-01-01",
    "1970-01-01T00:00:00",
    "1970-01-01 00:00:00Z",
    "1970-01-01t00:00:00z",
    "1970-01-01T00:00:00.Z",
    "1970-01-01T00:00:00.1234567890Z",
    "1970-01-01T00:00:00Z ",
    "1970-13-01T00:00:00Z",
    "1970-00-01T00:00:00Z",
    "1970-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "1970-04-31T00:00:00Z",
    "1970-01-01T24:00:00Z",
    "1970-01-01T00:60:00Z",
    "1970-01-01T00:00:60Z",
    "1970-01-01T00:00:00+1:00",
    "1970-01-01T00:00:00+24:00",
    "1970-01-01T00:00:00*01:00",
    "197x-01-01T00:00:00Z",
    "+970-01-01T00:00:00Z",
  ]) {
    assert.equal(readTime(text), undefined, text);
  }
});
