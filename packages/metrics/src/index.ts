export type { ExponentialOptions } from "./exponential-buckets.ts";
export { type LogMetricsOptions, type LogSource, logMetrics } from "./log-metrics.ts";
export { type MeterMetricsOptions, type MeterSource, meterMetrics } from "./meter-metrics.ts";
export { MeterProvider, type MeterProviderOptions, type MeterProviderStats } from "./meter-provider.ts";
export { PeriodicReader, type PeriodicReaderOptions, type PeriodicReaderStats } from "./periodic-reader.ts";
export { type MetricsRoute, type PrometheusRouteOptions, prometheusRoute } from "./prometheus-route.ts";
export { type ReportMetricsOptions, type ReportSource, type ReportStats, reportMetrics } from "./report-metrics.ts";
export { type RuntimeMetricsOptions, runtimeMetrics } from "./runtime-metrics.ts";
export { type SpanMetricsOptions, spanMetrics } from "./span-metrics.ts";
export { type TraceMetricsOptions, type TraceSource, traceMetrics } from "./trace-metrics.ts";
export type { InstrumentKind, View } from "./view.ts";

// For library authors: the parts of readers, encoders and exporters.

export { DeltaMemory } from "./delta-memory.ts";
export { encodeMetrics } from "./encode.ts";
export { encodeMetricsAsJson } from "./encode-json.ts";
export { mergeExponential } from "./exponential-buckets.ts";
export type { Meter } from "./meter.ts";
export type {
  Exemplar,
  ExponentialData,
  GaugeData,
  HistogramData,
  HistogramPoint,
  MetricData,
  MetricsData,
  NumberPoint,
  ScopeMetrics,
  SumData,
} from "./metric-data.ts";
export { type MetricsExporter, type PointStats, resolvePeriodicReaderOptions } from "./periodic-reader.ts";
export { type PrometheusOptions, renderPrometheus } from "./prometheus.ts";
export { type TellTelemetry, tellTelemetry } from "./tell-telemetry.ts";
