export { DynamicSampler, type DynamicSamplerOptions } from "./dynamic-sampler.ts";
export type { Identity, IdentityOptions } from "./identity.ts";
export type { IdForm } from "./ids.ts";
export { SkyWalkingPropagator, type SkyWalkingPropagatorOptions, setTargetAddress } from "./propagator.ts";
export { SegmentProcessor, type SegmentProcessorOptions, type SegmentStats } from "./segment-processor.ts";
export {
  type ActivePlace,
  activePlace,
  addEvent,
  addLog,
  type Captured,
  captureContext,
  continueContext,
  createEntrySpan,
  createExitSpan,
  createLocalSpan,
  type EventType,
  type Extractor,
  error,
  formatLogContext,
  getCorrelation,
  getSegmentId,
  getSpanId,
  getTraceId,
  type Injector,
  logContextFields,
  runWithCorrelation,
  type SpanHandle,
  setComponent,
  setOperationName,
  setTag,
  traced,
} from "./toolkit.ts";

// For library authors: the mapping of ids, and segments and headers one by one.

export { correlationOf, setCorrelation } from "./correlation.ts";
export { decodeSegment, sliceSegments } from "./decode.ts";
export { decodeCommands } from "./decode-commands.ts";
export { dynamicSamplerChecks } from "./dynamic-sampler.ts";
export { encodeSegment, encodeSegments } from "./encode.ts";
export {
  collectMeters,
  encodeConfigurationRequest,
  encodeInstance,
  encodeLog,
  encodeMeters,
  encodePing,
  encodeProfileFinish,
  encodeProfileQuery,
  encodeSnapshot,
} from "./encode-report.ts";
export {
  type CorrelationLimits,
  type Extension,
  formatCorrelation,
  formatExtension,
  formatSw8,
  type Place,
  parseCorrelation,
  parseExtension,
  parseSw8,
  type Sw8,
} from "./header.ts";
export { identityChecks, ipv4Addresses, resolveIdentity, resolvePartition, threadIdentity } from "./identity.ts";
export { foreignTraceId, IdGenerator, type IdGeneratorOptions, loneSegmentId, toSpanId, toTraceId } from "./ids.ts";
export { pairsToJson, segmentFromJson, segmentToJson } from "./json.ts";
export { operationOf } from "./operation.ts";
export { skyWalkingPropagatorChecks } from "./propagator.ts";
export type {
  Command,
  InstanceData,
  LogData,
  LogSpan,
  MeterBucket,
  MeterData,
  StackSnapshot,
} from "./report-data.ts";
export {
  type LogEntry,
  type ReferenceData,
  ReferenceType,
  type SegmentData,
  type SegmentSpan,
  SpanLayer,
  SpanType,
} from "./segment-data.ts";
export { type SegmentExporter, segmentProcessorChecks } from "./segment-processor.ts";
export { segmentToSpans } from "./to-spans.ts";
export { placeOf } from "./toolkit.ts";
