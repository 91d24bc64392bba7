import { numberAbove, type OptionChecks, wholeNumberFrom } from "@clew/options";

export interface RollingWindowOptions {
  /** The length of the window, in milliseconds. */
  windowMs: number;
  /** The number of buckets in the window; it moves forward one bucket at a time. */
  buckets: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

/** Checks for options that are passed on to the window, which itself checks nothing. */
export const windowChecks: OptionChecks<Pick<RollingWindowOptions, "windowMs" | "buckets">> = {
  windowMs: numberAbove(0),
  buckets: wholeNumberFrom(1),
};

/** The content of one bucket, or of several added up. */
export interface WindowSum {
  /** The number of values added. */
  count: number;
  /** The sum of the values. */
  sum: number;
}

/**
 * The values of the last period, kept as count and sum per bucket in a ring:
 *
 *     |  b3  |  b4  |  b0  |  b1  |  b2 ...     the bucket of a moment: floor(ms / bucketMs) mod buckets
 *     └─ oldest                   └─ current, not complete
 *
 * There is no timer: a bucket is emptied when the clock reaches it again. Each call costs O(1) for each bucket that has
 * passed.
 */
export class RollingWindow {
  readonly bucketMs: number;
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;
  readonly #now: () => number;
  readonly #start: number;
  readonly #total: WindowSum = { count: 0, sum: 0 };
  #tick = 0;

  constructor({ windowMs, buckets, now = performance.now.bind(performance) }: RollingWindowOptions) {
    this.bucketMs = windowMs / buckets;
    this.#counts = new Float64Array(buckets);
    this.#sums = new Float64Array(buckets);
    this.#now = now;
    this.#start = now();
  }

  /**
   * The number of buckets begun since the window was created. A result computed from complete buckets is valid until it
   * changes.
   */
  get tick(): number {
    this.#advance();
    return this.#tick;
  }

  /** Adds a value to the current bucket. A caller that has just read the clock passes the time. */
  add(value: number, at: number = this.#now()): void {
    const i = this.#advance(at);
    this.#counts[i]! += 1;
    this.#sums[i]! += value;
    this.#total.count += 1;
    this.#total.sum += value;
  }

  /**
   * The sum of the whole window, including the current bucket. The object belongs to the window: the next call changes
   * it.
   */
  total(): Readonly<WindowSum> {
    this.#advance();
    return this.#total;
  }

  /** Calls `visit` with each complete bucket, also with empty ones: all but the current bucket. */
  forEachComplete(visit: (count: number, sum: number) => void): void {
    const current = this.#advance();
    for (let i = 0; i < this.#counts.length; i++) if (i !== current) visit(this.#counts[i]!, this.#sums[i]!);
  }

  /** Empties the buckets that the clock has reached since the last call; returns the index of the current one. */
  #advance(at: number = this.#now()): number {
    const { length } = this.#counts;
    const tick = Math.floor((at - this.#start) / this.bucketMs);
    if (tick > this.#tick) {
      for (let passed = Math.max(this.#tick + 1, tick - length + 1); passed <= tick; passed++)
        this.#empty(passed % length);
      this.#tick = tick;
    }
    return this.#tick % length;
  }

  #empty(i: number): void {
    this.#total.count -= this.#counts[i]!;
    this.#total.sum -= this.#sums[i]!;
    this.#counts[i] = 0;
    this.#sums[i] = 0;
  }
}
