import { current } from "@clew/context";
import type { FlatAttributes } from "@clew/trace";
import { type Context, TraceFlags, trace } from "@opentelemetry/api";
import { ExponentialBuckets, type ExponentialSettings } from "./exponential-buckets.ts";
import type { Exemplar } from "./metric-data.ts";

/**
 * The number of the next collection, shared by all series of a provider, so that each knows when its exemplars have been read.
 */
export interface Round {
  number: number;
  /** Whether exemplars are kept. */
  readonly keepsExemplars: boolean;
}

/** The measurements with one set of attributes. */
export interface Series {
  readonly attributes: FlatAttributes;
  /** The attributes as one text; equal for equal attributes. */
  readonly key: string;
  /** Unix microseconds. */
  readonly startUs: number;
  /** Records one measurement. Without a context, the current one is used. */
  record(value: number, context: Context | undefined): void;
}

export type CreateSeries<S extends Series> = (attributes: FlatAttributes, key: string) => S;

export function nowUs(): number {
  return Date.now() * 1000;
}

/** Returns the measurement as an exemplar, if its context belongs to a sampled span. */
function toExemplar(value: number, context: Context | undefined): Exemplar | undefined {
  const span = trace.getSpanContext(context ?? current());
  if (span === undefined || (span.traceFlags & TraceFlags.SAMPLED) === 0) return undefined;
  return { value, timeUs: nowUs(), traceId: span.traceId, spanId: span.spanId };
}

/** A sum: what counters keep. */
export class SumSeries implements Series {
  readonly attributes: FlatAttributes;
  readonly key: string;
  readonly startUs: number = nowUs();
  readonly #round: Round;
  value = 0;
  exemplar: Exemplar | undefined = undefined;
  #exemplarRound = -1;

  constructor(attributes: FlatAttributes, key: string, round: Round) {
    this.attributes = attributes;
    this.key = key;
    this.#round = round;
  }

  record(value: number, context: Context | undefined): void {
    this.value += value;
    // Keeps the first measurement of a sampled span after each collection: one is enough to find a trace, and the others cost
    // only a comparison.
    if (this.#exemplarRound !== this.#round.number) this.#exemplify(value, context);
  }

  #exemplify(value: number, context: Context | undefined): void {
    if (!this.#round.keepsExemplars) return;
    const exemplar = toExemplar(value, context);
    if (exemplar === undefined) return;
    this.exemplar = exemplar;
    this.#exemplarRound = this.#round.number;
  }
}

/** The last value: what gauges keep. */
export class LastSeries implements Series {
  readonly attributes: FlatAttributes;
  readonly key: string;
  readonly startUs: number = nowUs();
  value = 0;

  constructor(attributes: FlatAttributes, key: string) {
    this.attributes = attributes;
    this.key = key;
  }

  record(value: number): void {
    this.value = value;
  }
}

/** A distribution over fixed buckets, and over exponential ones if they are wanted. */
export class HistogramSeries implements Series {
  readonly attributes: FlatAttributes;
  readonly key: string;
  readonly startUs: number = nowUs();
  readonly #boundaries: readonly number[];
  readonly #round: Round;
  readonly counts: number[];
  readonly exponential: ExponentialBuckets | undefined;
  count = 0;
  sum = 0;
  min: number = Number.POSITIVE_INFINITY;
  max: number = Number.NEGATIVE_INFINITY;
  /** One exemplar for each bucket. Created with the first one: in most processes most buckets have none. */
  exemplars: (Exemplar | undefined)[] | undefined = undefined;
  readonly #exemplarRounds: number[];

  constructor(
    attributes: FlatAttributes,
    key: string,
    round: Round,
    boundaries: readonly number[],
    exponential: ExponentialSettings | undefined,
  ) {
    this.attributes = attributes;
    this.key = key;
    this.#round = round;
    this.#boundaries = boundaries;
    this.exponential = exponential && new ExponentialBuckets(exponential);
    this.counts = new Array<number>(boundaries.length + 1).fill(0);
    this.#exemplarRounds = new Array<number>(boundaries.length + 1).fill(-1);
  }

  record(value: number, context: Context | undefined): void {
    this.count++;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    const bucket = findBucket(this.#boundaries, value);
    this.counts[bucket]!++;
    if (this.exponential !== undefined) this.exponential.record(value);
    if (this.#exemplarRounds[bucket] !== this.#round.number) this.#exemplify(bucket, value, context);
  }

  #exemplify(bucket: number, value: number, context: Context | undefined): void {
    if (!this.#round.keepsExemplars) return;
    const exemplar = toExemplar(value, context);
    if (exemplar === undefined) return;
    this.exemplars ??= new Array<Exemplar | undefined>(this.counts.length).fill(undefined);
    this.exemplars[bucket] = exemplar;
    this.#exemplarRounds[bucket] = this.#round.number;
  }
}

/** Returns the first bucket whose upper bound is not below the value. */
function findBucket(boundaries: readonly number[], value: number): number {
  const { length } = boundaries;
  let low = 0;
  // A linear search: there are usually only 15 boundaries, and most values are below the first ones.
  if (length <= 32) {
    while (low < length && boundaries[low]! < value) low++;
    return low;
  }
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (boundaries[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
