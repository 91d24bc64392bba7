// OpenTelemetry's own API comes along, so that a service needs one import.

export {
  type Metrics,
  OtlpMetricsExporter,
  type StartMetricsOptions,
  startMetrics,
} from "@clew/exporter";
export * from "@clew/metrics";
export { type Counter, type Gauge, type Histogram, metrics, type UpDownCounter, ValueType } from "@opentelemetry/api";
