import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTime, readOffsetUs } from "./clock.ts";

test("the offset makes unix time out of the monotonic clock", () => {
  const before = Date.now();
  const tick = performance.now();
  const us = readOffsetUs(tick) + tick * 1000;
  const after = Date.now();
  assert.ok(us / 1000 > before - 100 && us / 1000 < after + 100, `${before} ${us} ${after}`);
});

test("a clock that was set is followed at the next check, not before", (t) => {
  const tick = performance.now() + 1_000_000;
  const before = readOffsetUs(tick);
  t.mock.method(Date, "now", () => Math.round((before + tick * 1000) / 1000) + 3_600_000);
  assert.equal(readOffsetUs(tick + 1), before);
  assert.ok(Math.abs(readOffsetUs(tick + 20_000) - before - 3_600_000_000 + 20_000_000) < 1000);
});

test("a time is a date, seconds and nanoseconds, or milliseconds of either clock", () => {
  assert.equal(parseTime(new Date(1_700_000_000_123)), 1_700_000_000_123_000);
  assert.equal(parseTime([1_700_000_000, 123_456_000]), 1_700_000_000_123_456);
  assert.equal(parseTime(1_700_000_000_123.5 + 1e12), 2_700_000_000_123_500);
  const us = parseTime(5);
  assert.ok(us !== undefined && us > 1e15, "5 is five milliseconds after the process began");
});

test("what is no time is undefined", () => {
  for (const given of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    new Date("no"),
    [] as never,
    "now" as never,
    {} as never,
  ]) {
    assert.equal(parseTime(given), undefined, String(given));
  }
});
