import type { ExponentialData } from "./metric-data.ts";

/** What one reader has seen of a series. */
export interface Seen {
  readonly timeUs: number;
  readonly value: number;
  readonly count: number;
  readonly counts: readonly number[];
  readonly exponential?: ExponentialData | undefined;
}

/**
 * Makes deltas for one reader: hand the same memory to each `collect`, and its sums and histograms are those since the last one.
 * What goes up and down stays a total. Each reader has its own, so that they do not take from each other.
 */
export class DeltaMemory {
  // By what is collected, then by the series' key: a stream that is gone takes its part along.
  readonly #streams = new WeakMap<object, Map<string, Seen>>();

  /** For providers: what was seen of a stream; empty at first, and to be written to. */
  of(stream: object): Map<string, Seen> {
    let seen = this.#streams.get(stream);
    if (seen === undefined) {
      seen = new Map();
      this.#streams.set(stream, seen);
    }
    return seen;
  }
}
