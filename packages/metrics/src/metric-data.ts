import type { FlatAttributes, Resource, Scope } from "@clew/trace";

// What was measured, as plain data: encoders, readers and tests read only this. Times are unix microseconds, as in SpanData.

/** One measurement of a sampled span: the way from a number to a trace. */
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
  /** In the order of their names. */
  readonly attributes: FlatAttributes;
  /** When counting began; of a delta, when the one before was taken. */
  readonly startUs: number;
  readonly timeUs: number;
  readonly value: number;
  readonly exemplars: readonly Exemplar[];
}

/**
 * A distribution in buckets that grow by a factor: with the base 2^(2^-scale), `counts[n]` is for what is above base^(offset+n) and up
 * to base^(offset+n+1).
 */
export interface ExponentialData {
  readonly scale: number;
  /** Values that are 0. */
  readonly zeroCount: number;
  readonly offset: number;
  readonly counts: readonly number[];
}

/** One series of a histogram. */
export interface HistogramPoint {
  /** In the order of their names. */
  readonly attributes: FlatAttributes;
  readonly startUs: number;
  readonly timeUs: number;
  readonly count: number;
  readonly sum: number;
  /** Undefined in a delta: the smallest of an interval is not known afterwards. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** One more than there are boundaries: the last is for what is above all of them. */
  readonly counts: readonly number[];
  /** The same values once more, where a view asked for it: then OTLP tells these, and Prometheus's text the others. Default: none. */
  readonly exponential?: ExponentialData | undefined;
  readonly exemplars: readonly Exemplar[];
}

interface MetricBase {
  readonly name: string;
  readonly description: string;
  /** In UCUM: `s`, `By`, `{request}`. Empty when it is not known. */
  readonly unit: string;
}

export interface SumData extends MetricBase {
  readonly type: "sum";
  /** Whether it only goes up: a counter. */
  readonly isMonotonic: boolean;
  readonly isDelta: boolean;
  /** Whether the values are whole numbers by declaration. */
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
  /** The upper bounds of all buckets but the last, inclusive and growing. */
  readonly boundaries: readonly number[];
  readonly points: readonly HistogramPoint[];
}

export type MetricData = SumData | GaugeData | HistogramData;

export interface ScopeMetrics {
  readonly scope: Scope;
  readonly metrics: readonly MetricData[];
}

/** Everything that a provider knows at one moment. */
export interface MetricsData {
  readonly resource: Resource;
  readonly scopes: readonly ScopeMetrics[];
}
