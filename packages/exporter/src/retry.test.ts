import assert from "node:assert/strict";
import { test } from "node:test";
import { backOffMs, isRetryable, parseRetryAfter, resolveRetryOptions } from "./retry.ts";

test("waits double up to the limit, and lie between the half and the whole", () => {
  const settings = resolveRetryOptions({ initialMs: 100, maxMs: 1000 });
  const waits = (random: number): number[] =>
    [1, 2, 3, 4, 5, 50].map((attempt) => backOffMs(attempt, settings, random));
  assert.deepEqual(waits(1), [100, 200, 400, 800, 1000, 1000]);
  assert.deepEqual(waits(0), [50, 100, 200, 400, 500, 500]);
  for (let count = 0; count < 100; count++) {
    const wait = backOffMs(1, settings);
    assert.ok(wait >= 50 && wait <= 100, `${wait}`);
  }
});

test("four statuses may be tried again, no other", () => {
  const retryable = Array.from({ length: 500 }, (_, index) => index + 100).filter(isRetryable);
  assert.deepEqual(retryable, [429, 502, 503, 504]);
});

test("Retry-After is seconds or a date", () => {
  const nowMs = Date.parse("2026-11-21T10:00:00Z");
  assert.equal(parseRetryAfter("0", nowMs), 0);
  assert.equal(parseRetryAfter(" 120 ", nowMs), 120_000);
  assert.equal(parseRetryAfter("Sat, 21 Nov 2026 10:00:30 GMT", nowMs), 30_000);
  assert.equal(parseRetryAfter("Saturday, 21-Nov-26 10:00:30 GMT", nowMs), 30_000);
  assert.equal(parseRetryAfter("Sat, 21 Nov 2026 09:00:00 GMT", nowMs), 0, "a moment that has passed");
});

test("anything else in Retry-After is nothing", () => {
  for (const header of [
    undefined,
    "",
    "soon",
    "-5",
    "1.5",
    "1e9",
    "99999999999999999999",
    "Sat, 99 Foo 2026",
    "2026-11-21",
  ]) {
    assert.equal(parseRetryAfter(header), undefined, header);
  }
});
