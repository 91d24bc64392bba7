import { aNumber, checkOptions, type OptionChecks } from "@clew/options";
import { optionError, optionInvalid } from "./errors.ts";
import type { ExponentialData } from "./metric-data.ts";

export interface ExponentialOptions {
  /** The maximum number of buckets. Default: 160, which distinguishes durations from 1 ms to 100 s that differ by 9 %. */
  maxBuckets?: number;
  /** The scale to begin with: buckets grow by 2^(2^-scale). From -10 to 20. Default: 20, as narrow as the values allow. */
  maxScale?: number;
}

export type ExponentialSettings = Readonly<Required<ExponentialOptions>>;

const optionChecks: OptionChecks<ExponentialOptions> = { maxBuckets: aNumber, maxScale: aNumber };

/** @throws CLEW_METRICS_OPTION */
export function resolveExponentialOptions(given: boolean | ExponentialOptions): ExponentialSettings | undefined {
  if (given === false) return undefined;
  const options = given === true ? {} : given;
  checkOptions("exponential", options, optionChecks, optionError);
  const { maxBuckets = 160, maxScale = 20 } = options;
  if (!(Number.isInteger(maxBuckets) && maxBuckets >= 2 && maxBuckets <= 10_000)) {
    throw optionInvalid("maxBuckets", maxBuckets, "a whole number from 2 to 10000");
  }
  if (!(Number.isInteger(maxScale) && maxScale >= -10 && maxScale <= 20)) {
    throw optionInvalid("maxScale", maxScale, "a whole number from -10 to 20");
  }
  return { maxBuckets, maxScale };
}

/**
 * Buckets that grow by a constant factor and adapt to the values: OpenTelemetry's data model, "ExponentialHistogram". With the base
 * 2^(2^-scale), bucket `index` counts values above base^index and up to base^(index+1). When the values are too far apart for
 * `maxBuckets`, the scale is reduced by one and each two buckets are merged, until they fit.
 *
 * Places are reused in a circle, `index` modulo the number of places: the buckets in use are neighbours, and never more than there are
 * places.
 *
 *     index    ... 158  159 | 160  161  162 ...      with 160 places, of which 158 to 162 are in use
 *     place    ... 158  159 |   0    1    2 ...
 */
export class ExponentialBuckets {
  #scale: number;
  #places: number[];
  /** The lowest and the highest index in use; the highest is below the lowest while there is none. */
  #low = 0;
  #high = -1;
  #zeroCount = 0;

  constructor({ maxBuckets, maxScale }: ExponentialSettings) {
    this.#scale = maxScale;
    this.#places = new Array<number>(maxBuckets).fill(0);
  }

  /** Counts a finite value from 0 up. */
  record(value: number): void {
    if (value === 0) {
      this.#zeroCount++;
      return;
    }
    let index = indexOf(value, this.#scale);
    const size = this.#places.length;
    if (this.#high < this.#low) {
      this.#low = index;
      this.#high = index;
    } else if (index > this.#high || index < this.#low) {
      const fall = fallToFit(Math.min(index, this.#low), Math.max(index, this.#high), size);
      if (fall > 0) {
        this.#widen(fall);
        index >>= fall;
      }
      if (index > this.#high) this.#high = index;
      else if (index < this.#low) this.#low = index;
    }
    const place = index % size;
    this.#places[place < 0 ? place + size : place]!++;
  }

  snapshot(): ExponentialData {
    const counts: number[] = [];
    for (let index = this.#low; index <= this.#high; index++) counts.push(this.#places[this.#placeOf(index)]!);
    return { scale: this.#scale, zeroCount: this.#zeroCount, offset: this.#low, counts };
  }

  #widen(fall: number): void {
    const { offset, counts } = this.snapshot();
    this.#places = new Array<number>(this.#places.length).fill(0);
    this.#scale -= fall;
    this.#low >>= fall;
    this.#high >>= fall;
    counts.forEach((count, at) => {
      this.#places[this.#placeOf((offset + at) >> fall)]! += count;
    });
  }

  #placeOf(index: number): number {
    const size = this.#places.length;
    return ((index % size) + size) % size;
  }
}

/** How many buckets there are from one power of two to the next, by scale from -11, where two hold every number, to 20. */
const perPower = Float64Array.from({ length: 32 }, (_, index) => 2 ** (index - 11));

/**
 * Returns the index of the bucket for a value above 0: ceil(log(value) / log(base)) - 1. Powers of two, which are bounds at every
 * scale, are exact, because their logarithm is exact. A value next to a bound may be counted on its other side, which the data model
 * allows.
 */
export function indexOf(value: number, scale: number): number {
  return Math.ceil(Math.log2(value) * perPower[scale + 11]!) - 1;
}

/** By how much the scale must fall so that the buckets from `low` to `high` are no more than `size`. */
function fallToFit(low: number, high: number, size: number): number {
  let fall = 0;
  while ((high >> fall) - (low >> fall) >= size) fall++;
  return fall;
}

/** The same with another scale, which must not be above its own. */
function widen({ scale, zeroCount, offset, counts }: ExponentialData, to: number): ExponentialData {
  const fall = scale - to;
  if (fall === 0 || counts.length === 0) return { scale: to, zeroCount, offset: offset >> fall, counts };
  const low = offset >> fall;
  const wider = new Array<number>(((offset + counts.length - 1) >> fall) - low + 1).fill(0);
  counts.forEach((count, at) => {
    wider[((offset + at) >> fall) - low]! += count;
  });
  return { scale: to, zeroCount, offset: low, counts: wider };
}

/** Returns what was added since `earlier`, which is an earlier state of the same buckets. */
export function subtractExponential(later: ExponentialData, earlier: ExponentialData): ExponentialData {
  const before = widen(earlier, later.scale);
  const shift = before.offset - later.offset;
  const counts = later.counts.map((count, at) => count - (before.counts[at - shift] ?? 0));
  const first = counts.findIndex((count) => count !== 0);
  const last = counts.findLastIndex((count) => count !== 0);
  return {
    scale: later.scale,
    zeroCount: later.zeroCount - earlier.zeroCount,
    offset: first < 0 ? 0 : later.offset + first,
    counts: first < 0 ? [] : counts.slice(first, last + 1),
  };
}

/**
 * Returns both together, at the lower of their scales, or at a lower one if there would be more than `maxBuckets`. For code that adds
 * up what several processes measured.
 */
export function mergeExponential(one: ExponentialData, other: ExponentialData, maxBuckets = 160): ExponentialData {
  const zeroCount = one.zeroCount + other.zeroCount;
  const filled = [one, other].filter(({ counts }) => counts.length > 0);
  const common = Math.min(...(filled.length > 0 ? filled : [one, other]).map(({ scale }) => scale));
  const alike = filled.map((data) => widen(data, common));
  if (alike.length === 0) return { scale: common, zeroCount, offset: 0, counts: [] };
  const low = Math.min(...alike.map(({ offset }) => offset));
  const high = Math.max(...alike.map(({ offset, counts }) => offset + counts.length - 1));
  const scale = common - fallToFit(low, high, maxBuckets);
  const offset = low >> (common - scale);
  const sum = new Array<number>((high >> (common - scale)) - offset + 1).fill(0);
  for (const data of alike) {
    const wider = widen(data, scale);
    wider.counts.forEach((count, at) => {
      sum[wider.offset - offset + at]! += count;
    });
  }
  return { scale, zeroCount, offset, counts: sum };
}
