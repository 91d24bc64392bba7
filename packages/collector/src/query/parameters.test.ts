import assert from "node:assert/strict";
import { test } from "node:test";
import { readDuration, readLimit, readNumber, readRange, readTags, readTraceId } from "./parameters.ts";

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

test("reads the time in which traces began: back from now or from an end, or from a moment, and what is neither", () => {
  const nowMs = 100_000_000;
  const none = Number.MAX_VALUE;
  const cases: [string, string, number, number][] = [
    ["", "all", 0, none],
    ["", "1h", 96_400_000, none],
    ["lookback=15m", "all", 99_100_000, none],
    ["lookback=15m", "1h", 99_100_000, none],
    ["lookback=all", "1h", 0, none],
    ["lookback=99w", "1h", 0, none],
    ["lookback=", "1h", 96_400_000, none],
    ["fromMs=5", "1h", 5, none],
    ["fromMs=5&toMs=7", "1h", 5, 7],
    ["fromMs=7&toMs=7", "1h", 7, 7],
    ["toMs=50000000", "all", 0, 50_000_000],
    ["toMs=50000000", "1h", 46_400_000, 50_000_000],
    ["toMs=50000000&lookback=1m", "1h", 49_940_000, 50_000_000],
  ];
  for (const [query, fallback, fromMs, toMs] of cases) {
    const range = { fromUs: fromMs * 1000, toUs: toMs === none ? none : toMs * 1000 };
    assert.deepEqual(readRange(new URLSearchParams(query), nowMs, fallback), range, query);
  }
  const wrong: [string, string][] = [
    ["lookback=soon", 'lookback is "soon"; it must be all, or a duration like 15m or 6h'],
    ["lookback=5", 'lookback is "5"; it must be all, or a duration like 15m or 6h'],
    ["fromMs=x", 'fromMs is "x"; it must be a number of 0 or more'],
    ["toMs=-1", 'toMs is "-1"; it must be a number of 0 or more'],
    ["fromMs=8&toMs=7", 'toMs is "7"; it must be no earlier than fromMs'],
    ["fromMs=8&lookback=1h", 'lookback is "1h"; it must be omitted when fromMs is given'],
  ];
  for (const [query, message] of wrong)
    assert.throws(() => readRange(new URLSearchParams(query), nowMs, "all"), { ...invalid, message }, query);
});
