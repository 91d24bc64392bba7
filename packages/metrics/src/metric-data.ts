import type { FlatAttributes, Resource, Scope } from "@clew/trace";

// What was measured, as plain data: encoders, readers and tests read only this. Times are unix microseconds, as in SpanData.

/** One measurement made in a sampled span: it leads from a number to a trace. */
export interface Exemplar {
  readonly value: number;
  readonly timeUs: number;
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
}

/** One value of a counter or a gauge. */
export interface NumberPoint {
  /** Sorted by name. */
  readonly attributes: FlatAttributes;
  /** The time when counting began; in a delta, the time of the previous collection. */
  readonly startUs: number;
  readonly timeUs: number;
  readonly value: number;
  readonly exemplars: readonly Exemplar[];
}

/**
 * A distribution in buckets that grow by a constant factor: with the base 2^(2^-scale), `counts[n]` counts values above
 * base^(offset+n) and up to base^(offset+n+1).
 */
export interface ExponentialData {
  readonly scale: number;
  /** The number of values that are 0. */
  readonly zeroCount: number;
  readonly offset: number;
  readonly counts: readonly number[];
}

/** One series of a histogram. */
export interface HistogramPoint {
  /** Sorted by name. */
  readonly attributes: FlatAttributes;
  readonly startUs: number;
  readonly timeUs: number;
  readonly count: number;
  readonly sum: number;
  /** Undefined in a delta: the smallest value of an interval cannot be computed afterwards. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** One more than there are boundaries: the last one counts values above all of them. */
  readonly counts: readonly number[];
  /**
   * The same values in exponential buckets, if a view asks for them: OTLP then sends these, and Prometheus's text format the others.
   * Default: none.
   */
  readonly exponential?: ExponentialData | undefined;
  readonly exemplars: readonly Exemplar[];
}

interface MetricBase {
  readonly name: string;
  readonly description: string;
  /** The unit in UCUM: `s`, `By`, `{request}`. Empty when it is unknown. */
  readonly unit: string;
}

export interface SumData extends MetricBase {
  readonly type: "sum";
  /** Whether the value only grows, as that of a counter. */
  readonly isMonotonic: boolean;
  readonly isDelta: boolean;
  /** Whether the values are declared to be whole numbers. */
  readonly isInt: boolean;
  readonly points: readonly NumberPoint[];
}

export interface GaugeData extends MetricBase {
  readonly type: "gauge";
  readonly isInt: boolean;
  readonly points: readonly NumberPoint[];
}

export interface HistogramData extends MetricBase {
  readonly type: "histogram";
  readonly isDelta: boolean;
  /** The upper bounds of all buckets but the last, inclusive and ascending. */
  readonly boundaries: readonly number[];
  readonly points: readonly HistogramPoint[];
}

export type MetricData = SumData | GaugeData | HistogramData;

export interface ScopeMetrics {
  readonly scope: Scope;
  readonly metrics: readonly MetricData[];
}

/** Everything that a provider has measured, at one moment. */
export interface MetricsData {
  readonly resource: Resource;
  readonly scopes: readonly ScopeMetrics[];
}
