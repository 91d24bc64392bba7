import type { ExponentialData } from "./metric-data.ts";

/** The last values that one reader saw of a series. */
export interface Seen {
  readonly timeUs: number;
  readonly value: number;
  readonly count: number;
  readonly counts: readonly number[];
  readonly exponential?: ExponentialData | undefined;
}

/**
 * Computes deltas for one reader. Hand the same memory to each `collect`: its sums and histograms are then those since the
 * previous one. Values that go up and down remain totals. Each reader needs its own memory.
 */
export class DeltaMemory {
  // By stream, then by the key of the series: when a stream is gone, its entry disappears too.
  readonly #streams = new WeakMap<object, Map<string, Seen>>();

  /** For providers: returns what was seen of a stream, empty at first, for the provider to update. */
  of(stream: object): Map<string, Seen> {
    let seen = this.#streams.get(stream);
    if (seen === undefined) {
      seen = new Map();
      this.#streams.set(stream, seen);
    }
    return seen;
  }
}
