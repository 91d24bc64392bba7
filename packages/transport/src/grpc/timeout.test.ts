import assert from "node:assert/strict";
import { it } from "node:test";
import { formatTimeout, parseTimeout } from "./timeout.ts";

it("reads every unit of grpc-timeout", () => {
  assert.deepEqual(
    ["2H", "3M", "4S", "5m", "6u", "7n", "0m"].map(parseTimeout),
    [7_200_000, 180_000, 4000, 5, 0.006, 0.000007, 0],
  );
});

it("reads a timeout beyond what a timer can wait as the longest it can", () => {
  assert.equal(parseTimeout("99999999H"), 2 ** 31 - 1);
});

it("refuses what is no grpc-timeout", () => {
  for (const text of ["", "5", "m", "-1m", "1.5S", "123456789m", "5s", " 5m", "5m "]) {
    assert.equal(parseTimeout(text), undefined, text);
  }
});

it("writes at most eight digits, rounded up", () => {
  assert.deepEqual([-1, 0, 0.0001, 1.5, 999.9999, 1000, 1000.1, 99_999_999, 100_000_000, 1e13].map(formatTimeout), [
    "0m",
    "0m",
    "1u",
    "1500u",
    "1000000u",
    "1000m",
    "1001m",
    "99999999m",
    "100000S",
    "99999999S",
  ]);
});
