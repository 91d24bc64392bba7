export { ConsoleExporter, type ConsoleExporterOptions } from "./console.ts";
export type { DeliveryStats } from "./delivery.ts";
export { FileExporter, type FileOptions, type FileStats } from "./file.ts";
export { OtlpExporter } from "./otlp.ts";
export { OtlpLogs, type OtlpLogsOptions, type OtlpLogsStats } from "./otlp-logs.ts";
export { OtlpMetricsExporter } from "./otlp-metrics.ts";
export type { OtlpOptions, OtlpProtocol, OtlpThread } from "./otlp-options.ts";
export type { RetryOptions } from "./retry.ts";
export { SkyWalkingExporter, type SkyWalkingExporterStats } from "./skywalking.ts";
export {
  type Configurable,
  DynamicConfiguration,
  type DynamicConfigurationOptions,
} from "./skywalking-configuration.ts";
export {
  type KafkaMessage,
  KafkaMessages,
  type KafkaOptions,
  type KafkaProducer,
  type KafkaTopics,
  type SkyWalkingKafkaOptions,
} from "./skywalking-kafka.ts";
export { SkyWalkingLogs, type SkyWalkingLogsOptions } from "./skywalking-logs.ts";
export { RuntimeMeters, type RuntimeMetersOptions, SkyWalkingMetricsExporter } from "./skywalking-meters.ts";
export type { SkyWalkingOptions } from "./skywalking-options.ts";
export { TraceProfiler, type TraceProfilerOptions } from "./skywalking-profiler.ts";
export type { SkyWalkingTracingOptions } from "./skywalking-tracing.ts";
export { type Logs, type StartLogsOptions, startLogs } from "./start-logs.ts";
export { type Metrics, type StartMetricsOptions, startMetrics } from "./start-metrics.ts";
export { type StartTracingOptions, startTracing, type Tracing } from "./start-tracing.ts";
export { StoreExporter, type StoreExporterOptions } from "./store.ts";
export type { TlsOptions } from "./tls.ts";
export { renderWaterfall, type WaterfallOptions, type WaterfallSpan } from "./waterfall.ts";
export { ZipkinExporter, type ZipkinOptions } from "./zipkin.ts";

// For library authors.

export { hasColors, toWaterfallSpan } from "./console.ts";
