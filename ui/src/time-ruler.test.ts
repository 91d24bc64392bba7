import assert from "node:assert/strict";
import { test } from "node:test";
import { rulerTicks } from "./time-ruler.ts";

const labels = (from: number, to: number, width: number): string[] =>
  rulerTicks(from, to, width).map(({ label }) => label);

test("ticks are round, share a unit, and begin at zero", () => {
  assert.deepEqual(labels(0, 6_350, 360), ["0", "2 ms", "4 ms", "6 ms"]);
  assert.deepEqual(labels(0, 1_500_000, 400), ["0", "0.5 s", "1.0 s", "1.5 s"]);
  assert.deepEqual(labels(0, 812_000, 500), ["0", "200 ms", "400 ms", "600 ms", "800 ms"]);
  assert.deepEqual(labels(0, 430, 300), ["0", "200 µs", "400 µs"]);
});

test("ticks of a zoomed range tell neighbours apart", () => {
  assert.deepEqual(labels(292_355, 292_366, 400), ["292.355 ms", "292.360 ms", "292.365 ms"]);
});

test("no two ticks are closer than the gap, whatever the range and width", () => {
  for (const to of [1, 7, 999, 12_345, 86_400_000_000]) {
    for (const width of [100, 333, 1280, 2560]) {
      const ticks = rulerTicks(0, to, width);
      const px = ticks.map(({ us }) => (us / to) * width);
      for (let i = 1; i < px.length; i++) assert.ok(px[i]! - px[i - 1]! >= 90 - 1e-6, `${to} us on ${width} px`);
      assert.ok(px.every((at) => at >= 0 && at <= width + 1e-6));
    }
  }
});

test("a ruler with no room or no time has no ticks", () => {
  assert.deepEqual(rulerTicks(0, 100, 0), []);
  assert.deepEqual(rulerTicks(5, 5, 500), []);
});
