import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../test/seeded-random.ts";
import { BbrLimiter } from "./bbr-limiter.ts";

test("maxInFlight is floor(maxPass * minRt * buckets a second / 1000) over the complete buckets", () => {
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed);
    let ms = 0;
    const limiter = new BbrLimiter({ now: () => ms, cpu: () => 0 });
    const open: { done: () => void; startMs: number; endMs: number }[] = [];
    const ended: { tick: number; rtMs: number }[] = [];
    for (let i = 0; i < 2000; i++) {
      ms += random() < 0.002 ? random() * 12_000 : random() * 10;
      for (const one of open.filter(({ endMs }) => endMs <= ms)) {
        open.splice(open.indexOf(one), 1);
        one.done();
        ended.push({ tick: Math.floor(ms / 100), rtMs: ms - one.startMs });
      }
      const done = limiter.allow();
      assert.ok(done);
      open.push({ done, startMs: ms, endMs: ms + random() * 200 });
      assert.equal(limiter.inFlight, open.length);
      const tick = Math.floor(ms / 100);
      const buckets = new Map<number, number[]>();
      for (const one of ended.slice(-5000)) {
        if (one.tick < tick && one.tick > tick - 100)
          buckets.set(one.tick, [...(buckets.get(one.tick) ?? []), one.rtMs]);
      }
      const maxPass = Math.max(1, ...[...buckets.values()].map((latencies) => latencies.length));
      const averages = [...buckets.values()].map((latencies) => latencies.reduce((a, b) => a + b) / latencies.length);
      const minRtMs = averages.length === 0 ? 1 : Math.max(1, Math.ceil(Math.min(...averages)));
      assert.equal(limiter.maxInFlight, Math.floor((maxPass * minRtMs * 10) / 1000), `call ${i}`);
    }
  }
});

/** A limiter that knows 20 calls of 100 ms a bucket: 20 * 100 * 10 / 1000 = 20 may be in flight. */
function createLimiter() {
  const state = { ms: 0, cpu: 0 };
  const limiter = new BbrLimiter({ now: () => state.ms, cpu: () => state.cpu });
  const first = Array.from({ length: 20 }, () => limiter.allow());
  state.ms = 90;
  for (const done of first) done?.();
  state.ms = 110;
  const take = (count: number) => Array.from({ length: count }, () => limiter.allow() !== undefined);
  return { state, limiter, take };
}

test("below the threshold nothing is refused, whatever is in flight", () => {
  const { limiter, take, state } = createLimiter();
  assert.equal(limiter.maxInFlight, 18);
  state.cpu = 799;
  assert.ok(take(1000).every(Boolean));
});

test("from the threshold on, what is beyond maxInFlight is refused", () => {
  const { take, state, limiter } = createLimiter();
  state.cpu = 800;
  const taken = take(100);
  assert.equal(taken.filter(Boolean).length, limiter.maxInFlight + 1);
  assert.ok(taken.slice(0, 19).every(Boolean) && !taken.slice(19).some(Boolean));
});

test("the limit holds for a second after the first refusal, then is gone until the load is back", () => {
  const { take, state } = createLimiter();
  state.cpu = 900;
  take(100);
  state.cpu = 100;
  state.ms += 1000;
  assert.deepEqual(take(1), [false]);
  state.ms += 1;
  assert.ok(take(50).every(Boolean));
  // Not refreshed by refusals in between: the next begin anew.
  state.cpu = 900;
  assert.deepEqual(take(1), [false]);
  state.cpu = 0;
  assert.deepEqual(take(1), [false]);
});

test("an idle server takes two calls at once under full load", () => {
  const limiter = new BbrLimiter({ now: () => 0, cpu: () => 1000 });
  assert.equal(limiter.maxInFlight, 0);
  assert.deepEqual(
    [1, 2, 3].map(() => limiter.allow() !== undefined),
    [true, true, false],
  );
});

test("without a cpu option it watches this process", () => {
  let ms = 0;
  const limiter = new BbrLimiter({ now: () => ms });
  ms = 1000;
  assert.ok(limiter.allow());
});

test("an option that cannot be is an error that names it", () => {
  assert.throws(() => new BbrLimiter({ cpuThreshold: Number.NaN }), { message: /cpuThreshold is NaN/ });
  assert.throws(() => new BbrLimiter({ buckets: 0 }), { message: /buckets is 0/ });
});

test("a caller who knows the time by performance.now() is believed; not where the limiter has a clock of its own", () => {
  const asked: number[] = [];
  const told = new BbrLimiter({ cpu: (now) => asked.push(now) * 0 });
  const other = new BbrLimiter({ cpu: (now) => asked.push(now) * 0, now: () => 7 });
  const startMs = performance.now();
  for (const limiter of [told, other]) limiter.allow(startMs)?.(startMs + 5);
  assert.deepEqual(asked, [startMs, 7]);
});
