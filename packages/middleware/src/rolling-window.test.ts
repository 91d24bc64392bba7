import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../test/seeded-random.ts";
import { RollingWindow } from "./rolling-window.ts";

test("a window holds what came in its buckets, and nothing older", () => {
  const random = seededRandom(1);
  let ms = 1000;
  const window = new RollingWindow({ windowMs: 3000, buckets: 10, now: () => ms });
  const added: { tick: number; value: number }[] = [];
  for (let i = 0; i < 5000; i++) {
    // Mostly small steps; now and then a pause longer than the window.
    ms += random() < 0.01 ? random() * 8000 : random() * 100;
    const value = Math.floor(random() * 10);
    window.add(value);
    const tick = Math.floor((ms - 1000) / 300);
    added.push({ tick, value });
    const held = added.filter((one) => one.tick > tick - 10);
    assert.deepEqual({ ...window.total() }, { count: held.length, sum: held.reduce((sum, one) => sum + one.value, 0) });
    assert.equal(window.tick, tick);
  }
});

test("complete buckets are all but the current one", () => {
  let ms = 0;
  const window = new RollingWindow({ windowMs: 300, buckets: 3, now: () => ms });
  for (const [moment, value] of [
    [0, 1],
    [100, 2],
    [150, 3],
    [200, 9],
  ] as const) {
    ms = moment;
    window.add(value);
  }
  const seen: [number, number][] = [];
  window.forEachComplete((count, sum) => seen.push([count, sum]));
  assert.deepEqual(seen, [
    [1, 1],
    [2, 5],
  ]);
});
