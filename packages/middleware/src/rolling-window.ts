import { numberAbove, type OptionChecks, wholeNumberFrom } from "@clew/options";

export interface RollingWindowOptions {
  /** How long the window is, in milliseconds. */
  windowMs: number;
  /** Into how many buckets it is cut; it moves on by one bucket at a time. */
  buckets: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

/** For those whose options say how long it is: the window itself checks nothing. */
export const windowChecks: OptionChecks<Pick<RollingWindowOptions, "windowMs" | "buckets">> = {
  windowMs: numberAbove(0),
  buckets: wholeNumberFrom(1),
};

/** One bucket, or several added up. */
export interface WindowSum {
  /** How many numbers were added. */
  count: number;
  /** What they make together. */
  sum: number;
}

/**
 * Numbers of the last while, kept as count and sum per bucket in a ring:
 *
 *     |  b3  |  b4  |  b0  |  b1  |  b2 ...     the bucket of a moment: floor(ms / bucketMs) mod buckets
 *     └─ oldest                   └─ current, not complete
 *
 * Without a timer: a bucket is emptied when the clock comes to it again. All calls cost O(1) for each bucket passed.
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

  /** How many buckets have begun since the window was made: what was computed from complete buckets holds until it changes. */
  get tick(): number {
    this.#advance();
    return this.#tick;
  }

  /** Adds a number to the current bucket. Who has just looked at the clock gives what it showed. */
  add(value: number, at: number = this.#now()): void {
    const i = this.#advance(at);
    this.#counts[i]! += 1;
    this.#sums[i]! += value;
    this.#total.count += 1;
    this.#total.sum += value;
  }

  /** The whole window, the current bucket included. The object is the window's own: it changes with the next call. */
  total(): Readonly<WindowSum> {
    this.#advance();
    return this.#total;
  }

  /** Calls `visit` with each complete bucket, empty ones included: all but the current. */
  forEachComplete(visit: (count: number, sum: number) => void): void {
    const current = this.#advance();
    for (let i = 0; i < this.#counts.length; i++) if (i !== current) visit(this.#counts[i]!, this.#sums[i]!);
  }

  /** Empties the buckets that the clock has come to since the last look; returns the index of the current one. */
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
