// For library authors: what exporters, stores and instrumentations are made of.
export {
  type AttributeValue,
  type FlatAttributes,
  findAttribute,
  noAttributes,
  toAttributeValue,
} from "./attributes.ts";
export { type BatchOptions, BatchProcessor, type BatchStats } from "./batch.ts";
export { ContextManager } from "./context-manager.ts";
export { createSpanId, createTraceId } from "./ids.ts";
export { createResource, emptyResource, type Resource, type ResourceOptions, serviceNameOf } from "./resource.ts";
export { RingBuffer } from "./ring-buffer.ts";
export { alwaysOff, alwaysOn, parentBased, type Sampler, samplerFromEnv, traceIdRatio } from "./sampler.ts";
export { Span } from "./span.ts";
export type { EventData, LinkData, Scope, SpanData } from "./span-data.ts";
export type { ExportResult, SpanExporter } from "./span-exporter.ts";
export type { SpanLimits, SpanLimitsOptions } from "./span-limits.ts";
export type { SpanProcessor } from "./span-processor.ts";
export { isTracingSuppressed, suppressTracing } from "./suppress-tracing.ts";
export { Tracer } from "./tracer.ts";
export { TracerProvider, type TracerProviderOptions } from "./tracer-provider.ts";
export { UnsampledSpan } from "./unsampled-span.ts";
export { type WithSpanOptions, withSpan } from "./with-span.ts";
