import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ExponentialBuckets,
  indexOf,
  mergeExponential,
  resolveExponentialOptions,
  subtractExponential,
} from "./exponential-buckets.ts";
import type { ExponentialData } from "./metric-data.ts";

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A number of any size that a double can have. */
const anyNumber = (random: () => number): number => 2 ** (random() * 2098 - 1074) || Number.MIN_VALUE;

const scales = Array.from({ length: 31 }, (_, index) => index - 10);

test("base^index < value <= base^(index+1), for every scale and over all numbers", () => {
  const random = createRandom(1);
  for (const scale of scales) {
    for (let count = 0; count < 500; count++) {
      const value = anyNumber(random);
      const index = indexOf(value, scale);
      // In powers of two, where the base is 2^-scale; a bucket is at least a million times as wide as what is allowed here.
      const power = Math.log2(value);
      const width = 2 ** -scale;
      const allowed = 1e-15 * Math.max(1, Math.abs(power)) * 2;
      assert.ok(index * width < power + allowed, `${value} at scale ${scale}`);
      assert.ok(power <= (index + 1) * width + allowed, `${value} at scale ${scale}`);
    }
  }
});

test("powers of two are upper bounds, exactly", () => {
  for (const scale of scales) {
    for (let power = -1074; power <= 1023; power++) {
      const expected = scale >= 0 ? power * 2 ** scale - 1 : Math.ceil(power / 2 ** -scale) - 1;
      assert.equal(indexOf(2 ** power, scale), expected, `2^${power} at scale ${scale}`);
    }
  }
  // The next number above one is in the next bucket, and the one below is not.
  assert.deepEqual([indexOf(1 - 2 ** -53, 20), indexOf(1, 20), indexOf(1 + 2 ** -52, 20)], [-1, -1, 0]);
});

test("two neighbours of one scale are one bucket of the scale below: perfect subsetting", () => {
  const random = createRandom(2);
  for (let count = 0; count < 5000; count++) {
    const value = anyNumber(random);
    for (const scale of scales.slice(1))
      assert.equal(indexOf(value, scale) >> 1, indexOf(value, scale - 1), `${value}`);
  }
});

function bucketsOf(values: readonly number[], maxBuckets = 160, maxScale = 20): ExponentialData {
  const buckets = new ExponentialBuckets({ maxBuckets, maxScale });
  for (const value of values) buckets.record(value);
  return buckets.snapshot();
}

/** The data model's own way, over all values at once: the highest scale at which all are within the limit. */
function byTheBook(values: readonly number[], maxBuckets: number, maxScale: number): ExponentialData {
  const positive = values.filter((value) => value > 0);
  for (let scale = maxScale; ; scale--) {
    const indices = positive.map((value) => indexOf(value, scale));
    const low = indices.reduce((least, index) => Math.min(least, index), Number.POSITIVE_INFINITY);
    const high = indices.reduce((most, index) => Math.max(most, index), Number.NEGATIVE_INFINITY);
    if (high - low >= maxBuckets) continue;
    const counts = new Array<number>(high - low + 1).fill(0);
    for (const index of indices) counts[index - low]!++;
    return { scale, zeroCount: values.length - positive.length, offset: low, counts };
  }
}

const distributions: Record<string, (random: () => number) => number> = {
  "durations around 10 ms": (random) => 0.01 * Math.exp(2 * (random() + random() + random() - 1.5)),
  "all the same": () => 0.25,
  uniform: (random) => random() * 1000,
  "sizes in whole bytes, with empty ones": (random) => Math.floor(random() ** 8 * 1e7),
  "any number": anyNumber,
};

test("whatever comes in whatever order, the scale is the highest that fits, and every value is counted where it belongs", () => {
  for (const [name, draw] of Object.entries(distributions)) {
    for (const maxBuckets of [2, 3, 20, 160]) {
      const random = createRandom(maxBuckets);
      const values = Array.from({ length: 2000 }, () => draw(random));
      for (const maxScale of [20, 5, 0]) {
        const found = bucketsOf(values, maxBuckets, maxScale);
        assert.deepEqual(found, byTheBook(values, maxBuckets, maxScale), `${name}, ${maxBuckets} from ${maxScale}`);
        assert.ok(found.counts.length <= maxBuckets);
      }
    }
  }
});

test("nothing, and only zeros", () => {
  assert.deepEqual(bucketsOf([]), { scale: 20, zeroCount: 0, offset: 0, counts: [] });
  assert.deepEqual(bucketsOf([0, 0]), { scale: 20, zeroCount: 2, offset: 0, counts: [] });
});

test("merging two is counting all in one, whatever their scales", () => {
  for (const [name, draw] of Object.entries(distributions)) {
    const random = createRandom(3);
    const some = Array.from({ length: 300 }, () => draw(random));
    const others = Array.from({ length: 10 }, () => draw(random) * 3);
    const [one, other] = [bucketsOf(some), bucketsOf(others)];
    assert.deepEqual(mergeExponential(one, other), byTheBook([...some, ...others], 160, 20), name);
    assert.deepEqual(mergeExponential(other, one), mergeExponential(one, other), name);
    assert.deepEqual(mergeExponential(one, bucketsOf([])), one, name);
    assert.deepEqual(mergeExponential(bucketsOf([0]), one), { ...one, zeroCount: one.zeroCount + 1 }, name);
  }
  assert.deepEqual(mergeExponential(bucketsOf([]), bucketsOf([0])), bucketsOf([0]));
});

test("what is left when an earlier state is taken away is what came since, at the later scale", () => {
  const random = createRandom(4);
  const buckets = new ExponentialBuckets({ maxBuckets: 20, maxScale: 20 });
  let earlier = buckets.snapshot();
  let sum: ExponentialData = earlier;
  for (let round = 0; round < 10; round++) {
    // Wider from round to round: the scale falls on the way. In the last one nothing comes.
    const values = round === 9 ? [] : Array.from({ length: 50 }, () => Math.exp((random() - 0.5) * (round + 1)));
    for (const value of values) buckets.record(value);
    const later = buckets.snapshot();
    const since = subtractExponential(later, earlier);
    assert.equal(
      since.counts.reduce((total, count) => total + count, 0),
      values.length,
    );
    for (const count of since.counts) assert.ok(count >= 0);
    sum = mergeExponential(sum, since, 20);
    assert.deepEqual(sum, later);
    earlier = later;
  }
  assert.deepEqual(subtractExponential(earlier, earlier).counts, []);
});

test("settings that do not work are an error", () => {
  for (const wrong of [{ maxBuckets: 1 }, { maxBuckets: 2.5 }, { maxScale: 21 }, { maxScale: -11 }]) {
    assert.throws(() => resolveExponentialOptions(wrong), { code: "CLEW_METRICS_OPTION" });
  }
  assert.equal(resolveExponentialOptions(false), undefined);
  assert.deepEqual(resolveExponentialOptions(true), { maxBuckets: 160, maxScale: 20 });
});
