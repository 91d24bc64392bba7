import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDuration } from "./duration.ts";

test("durations of every unit are milliseconds", () => {
  const cases: [unknown, number][] = [
    ["250ms", 250],
    ["1s", 1_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["2d", 172_800_000],
    ["0.2s", 200],
    ["500us", 0.5],
    ["500µs", 0.5],
    ["0", 0],
    ["0s", 0],
    [1_500, 1_500],
    [0, 0],
  ];
  for (const [text, expected] of cases) assert.equal(parseDuration(text), expected, String(text));
});

test("anything else is refused, with the forms that work", () => {
  for (const given of ["", "1", "s", "1 s", "-1s", "1s ", "1sec", "1S", -1, Number.NaN, null, undefined, {}, true]) {
    assert.throws(() => parseDuration(given), { code: "CLEW_CONFIG_DURATION" }, String(given));
  }
  assert.throws(() => parseDuration("1sec"), /"1sec" is not a duration; write it as 250ms, 1s, 1m30s/);
});
