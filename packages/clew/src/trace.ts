// OpenTelemetry's own API comes along, so that a service needs one import.

export * from "@clew/exporter";
export * from "@clew/trace";
export * from "@clew/trace/otel";
export { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
