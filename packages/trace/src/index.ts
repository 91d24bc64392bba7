export { type BatchOptions, BatchProcessor, type BatchStats, type ExporterStats } from "./batch.ts";
export {
  type CarriedContext,
  carryContext,
  contextEnvironment,
  contextFromCarried,
  contextFromEnvironment,
  withCarriedContext,
} from "./carry-context.ts";
export { composeProcessors } from "./compose-processors.ts";
export { Doctor, type DoctorOptions, type Finding } from "./doctor.ts";
export { propagatorFromEnv } from "./propagator-from-env.ts";
export { createResource, type Resource, type ResourceOptions } from "./resource.ts";
export { type DetectedAttributes, detectWithin } from "./resource-detectors.ts";
export {
  alwaysOff,
  alwaysOn,
  byRules,
  parentBased,
  perSecond,
  perThreeSeconds,
  type Sampler,
  type SamplingRule,
  traceIdRatio,
} from "./sampler.ts";
export { parseSampler, samplerFromEnv } from "./sampler-from-env.ts";
export type { EncodedBatch, EncodingExporter, ExportResult, SendingStats, SpanExporter } from "./span-exporter.ts";
export type { SpanLimitsOptions } from "./span-limits.ts";
export { type TailOptions, TailProcessor, type TailStats } from "./tail-processor.ts";
export type { TraceCounters } from "./trace-counters.ts";
export { TracerProvider, type TracerProviderOptions } from "./tracer-provider.ts";
export { type WithSpanOptions, withSpan } from "./with-span.ts";

// For library authors: what exporters, stores and instrumentations are made of.

export {
  type AttributeValue,
  type FlatAttributes,
  findAttribute,
  noAttributes,
  toAttributeValue,
} from "./attributes.ts";
export { batchChecks } from "./batch.ts";
export {
  type BatchDestination,
  BatchQueue,
  type BatchQueueSettings,
  type BatchQueueStats,
  type BatchResult,
  type Waiting,
} from "./batch-queue.ts";
export { ContextManager } from "./context-manager.ts";
export { doctorChecks } from "./doctor.ts";
export { type Environment, readBoolean, readCount, readWord, readWords, warnOfVariable } from "./environment.ts";
export type { IdSource, NewTrace } from "./id-source.ts";
export { createSpanId, createTraceId } from "./ids.ts";
export { aResource, emptyResource, sdkVersion, serviceNameOf } from "./resource.ts";
export { RingBuffer } from "./ring-buffer.ts";
export type { Segment } from "./segment.ts";
export { attributesOf, Span } from "./span.ts";
export type { EventData, LinkData, Scope, SpanData } from "./span-data.ts";
export { type SpanLimits, spanLimitsChecks } from "./span-limits.ts";
export type { SpanProcessor } from "./span-processor.ts";
export { isTracingSuppressed, suppressTracing } from "./suppress-tracing.ts";
export { tailChecks } from "./tail-processor.ts";
export { Tracer } from "./tracer.ts";
export { UnsampledSpan } from "./unsampled-span.ts";
