export { ConsoleExporter, type ConsoleExporterOptions } from "./console.ts";
export { OtlpHttpExporter, type OtlpHttpOptions, type OtlpHttpStats } from "./otlp-http.ts";
export type { RetryOptions } from "./retry.ts";
export { type StartTracingOptions, startTracing, type Tracing } from "./start-tracing.ts";
export { renderWaterfall, type WaterfallOptions, type WaterfallSpan } from "./waterfall.ts";

// For library authors.

export { hasColors, toWaterfallSpan } from "./console.ts";
