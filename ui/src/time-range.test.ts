import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addRange,
  allKept,
  describeRange,
  isBackward,
  lastHour,
  mayContain,
  rangeFromQuery,
  type TimeRange,
  toMoments,
} from "./time-range.ts";

const at = (text: string): number => new Date(text).getTime();
const noon = "2026-11-22T12:00";
const one = "2026-11-22T13:00:05";
type TimeBack = typeof allKept;
const toQuery = (range: TimeRange, usual: TimeBack): string => {
  const query = new URLSearchParams();
  addRange(query, range, usual);
  return query.toString();
};

test("a range goes into the URL where it is not the usual one, and comes back", () => {
  const cases: [TimeRange, TimeBack, string][] = [
    [allKept, allKept, ""],
    [allKept, lastHour, "lookback=all"],
    [lastHour, lastHour, ""],
    [{ lookback: "15m" }, allKept, "lookback=15m"],
    [{ from: noon, to: one }, allKept, `fromMs=${at(noon)}&toMs=${at(one)}`],
    [{ from: noon, to: "" }, lastHour, `fromMs=${at(noon)}`],
    [{ from: "", to: one }, allKept, `toMs=${at(one)}`],
    [{ from: "", to: one }, lastHour, `lookback=all&toMs=${at(one)}`],
  ];
  for (const [range, usual, query] of cases) {
    assert.equal(toQuery(range, usual), query);
    assert.deepEqual(rangeFromQuery(new URLSearchParams(query), usual), range, query);
  }
});

test("two open ends are all that is kept, whatever is usual", () => {
  assert.equal(toQuery({ from: "", to: "" }, allKept), "");
  assert.equal(toQuery({ from: "", to: "" }, lastHour), "lookback=all");
});

test("a moment keeps its seconds and milliseconds", () => {
  for (const text of [noon, one, "2026-11-22T13:00:05.250"]) {
    assert.deepEqual(rangeFromQuery(new URLSearchParams({ fromMs: String(at(text)) }), allKept), {
      from: text,
      to: "",
    });
  }
});

test("what cannot be read is passed over", () => {
  for (const query of ["lookback=soon", "fromMs=x", "toMs=", "fromMs=-5", "toMs=1e99", ""])
    assert.deepEqual(rangeFromQuery(new URLSearchParams(query), lastHour), lastHour, query);
  // The year of a date is typed digit by digit.
  assert.equal(toQuery({ from: "0002-11-22T12:00", to: "" }, allKept), "");
});

test("a range may end before it begins, which is told", () => {
  assert.ok(isBackward({ from: one, to: noon }));
  for (const range of [allKept, { from: noon, to: one }, { from: noon, to: noon }, { from: noon, to: "" }])
    assert.ok(!isBackward(range));
});

test("a start is outside only when two moments say so", () => {
  assert.ok(mayContain(lastHour, 0), "the collector's to judge");
  assert.ok(mayContain({ from: noon, to: one }, at(one)));
  assert.ok(!mayContain({ from: noon, to: one }, at(one) + 1));
  assert.ok(!mayContain({ from: noon, to: "" }, at(noon) - 1));
  assert.ok(mayContain({ from: "", to: "" }, 0));
});

test("a time back from now becomes two moments in whole minutes", () => {
  const nowMs = at("2026-11-22T14:05:30");
  assert.deepEqual(toMoments(lastHour, nowMs, null), { from: "2026-11-22T13:05", to: "2026-11-22T14:06" });
  assert.deepEqual(toMoments(allKept, nowMs, at(noon) + 5), { from: noon, to: "2026-11-22T14:06" });
  assert.deepEqual(toMoments(allKept, nowMs, null), { from: "2026-11-22T13:05", to: "2026-11-22T14:06" });
  const chosen = { from: noon, to: "" };
  assert.equal(toMoments(chosen, nowMs, null), chosen);
});

test("a range has a name", () => {
  assert.equal(describeRange({ lookback: "15m" }), "Last 15 minutes");
  assert.equal(describeRange({ from: "", to: "" }), "The time chosen");
});
