import assert from "node:assert/strict";
import { test } from "node:test";
import { formatClock, formatDay, formatSince } from "./clock.ts";

// Local times, so that the test holds in any time zone.
const noon = new Date(2026, 10, 21, 12, 0, 0, 0).getTime();

test("the clock shows milliseconds", () => {
  assert.equal(formatClock(new Date(2026, 0, 2, 3, 4, 5, 6).getTime()), "03:04:05.006");
  assert.equal(formatDay(noon), "2026-11-21");
});

test("since when: the day is told when it is another", () => {
  assert.equal(formatSince(new Date(2026, 10, 21, 9, 5).getTime(), noon), "09:05");
  assert.equal(formatSince(new Date(2026, 10, 20, 23, 59).getTime(), noon), "2026-11-20 23:59");
});
