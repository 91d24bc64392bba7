// For library authors.
export { ConsoleExporter, type ConsoleExporterOptions, hasColors, toWaterfallSpan } from "./console.ts";
export { OtlpHttpExporter, type OtlpHttpOptions, type OtlpHttpStats } from "./otlp-http.ts";
export type { RetryOptions } from "./retry.ts";
export { type StartTracingOptions, startTracing, type Tracing } from "./start-tracing.ts";
export { renderWaterfall, type WaterfallOptions, type WaterfallSpan } from "./waterfall.ts";
