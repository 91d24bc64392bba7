import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration } from "./duration.ts";

test("a duration has three significant digits and the unit that fits", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [0.25, "<1 µs"],
    [1, "1 µs"],
    [850, "850 µs"],
    [999.4, "999 µs"],
    [999.6, "1.00 ms"],
    [12_400, "12.4 ms"],
    [99_960, "100 ms"],
    [999_499, "999 ms"],
    [999_500, "1.00 s"],
    [1_240_000, "1.24 s"],
    [59_949_999, "59.9 s"],
    [59_950_000, "1 m 00 s"],
    [125_000_000, "2 m 05 s"],
    [3_599_000_000, "59 m 59 s"],
    [7_260_000_000, "2 h 01 m"],
    [-12_400, "−12.4 ms"],
  ];
  for (const [us, text] of cases) assert.equal(formatDuration(us), text, String(us));
});

test("a typed duration is read in any unit, milliseconds without one", () => {
  assert.equal(parseDuration("200ms"), 200_000);
  assert.equal(parseDuration(" 1.5 s "), 1_500_000);
  assert.equal(parseDuration("80us"), 80);
  assert.equal(parseDuration("80µs"), 80);
  assert.equal(parseDuration("2m"), 120_000_000);
  assert.equal(parseDuration("7"), 7000);
  assert.equal(parseDuration(".5"), 500);
});

test("what is no duration is not guessed at", () => {
  for (const text of ["", "ms", "-1ms", "10 parsecs", "1e9", "1.2.3s", "NaN"])
    assert.equal(parseDuration(text), undefined, text);
});
