import {
  type LogEntry,
  type ReferenceData,
  ReferenceType,
  type SegmentData,
  type SegmentSpan,
  SpanLayer,
  SpanType,
} from "./segment-data.ts";

// The names of protobuf's JSON, in the order of the numbers.
const typeNames = ["Entry", "Exit", "Local"] as const;
const layerNames = ["Unknown", "Database", "RPCFramework", "Http", "MQ", "Cache", "FAAS", "GenAI"] as const;
const referenceNames = ["CrossProcess", "CrossThread"] as const;

/** A segment as the collector takes it over HTTP (`POST /v3/segments`): to be made JSON of. */
export function segmentToJson(segment: SegmentData): object {
  return {
    traceId: segment.traceId,
    traceSegmentId: segment.segmentId,
    spans: segment.spans.map(spanToJson),
    service: segment.service,
    serviceInstance: segment.instance,
    isSizeLimited: segment.isSizeLimited,
  };
}

function spanToJson(span: SegmentSpan): object {
  return {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    startTime: span.startMs,
    endTime: span.endMs,
    refs: span.references.map((reference) => ({
      refType: referenceNames[reference.type],
      traceId: reference.traceId,
      parentTraceSegmentId: reference.parentSegmentId,
      parentSpanId: reference.parentSpanId,
      parentService: reference.parentService,
      parentServiceInstance: reference.parentInstance,
      parentEndpoint: reference.parentEndpoint,
      networkAddressUsedAtPeer: reference.address,
    })),
    operationName: span.operation,
    peer: span.peer,
    spanType: typeNames[span.type],
    spanLayer: layerNames[span.layer],
    componentId: span.componentId,
    isError: span.isError,
    tags: pairsToJson(span.tags),
    logs: span.logs.map(({ timeMs, data }) => ({ time: timeMs, data: pairsToJson(data) })),
    skipAnalysis: span.skipAnalysis,
  };
}

/** Flat pairs as objects of key and value. */
export function pairsToJson(pairs: readonly string[]): { key: string; value: string }[] {
  const objects: { key: string; value: string }[] = [];
  for (let index = 0; index < pairs.length; index += 2) {
    objects.push({ key: pairs[index]!, value: pairs[index + 1]! });
  }
  return objects;
}

/** Reads what agents send over HTTP: one segment, parsed. Undefined when it is none; a field of another kind counts as missing. */
export function segmentFromJson(json: unknown): SegmentData | undefined {
  const segment = toObject(json);
  const traceId = toText(segment.traceId);
  const segmentId = toText(segment.traceSegmentId);
  if (traceId === "" || segmentId === "") return undefined;
  return {
    traceId,
    segmentId,
    spans: toList(segment.spans).map(spanFromJson),
    service: toText(segment.service),
    instance: toText(segment.serviceInstance),
    isSizeLimited: segment.isSizeLimited === true,
  };
}

function spanFromJson(json: unknown): SegmentSpan {
  const span = toObject(json);
  return {
    spanId: toNumber(span.spanId),
    parentSpanId: toNumber(span.parentSpanId),
    startMs: toNumber(span.startTime),
    endMs: toNumber(span.endTime),
    references: toList(span.refs).map(referenceFromJson),
    operation: toText(span.operationName),
    peer: toText(span.peer),
    type: toEnum(span.spanType, typeNames, SpanType.ENTRY),
    layer: toEnum(span.spanLayer, layerNames, SpanLayer.UNKNOWN),
    componentId: toNumber(span.componentId),
    isError: span.isError === true,
    tags: pairsFromJson(span.tags),
    logs: toList(span.logs).map(logFromJson),
    skipAnalysis: span.skipAnalysis === true,
  };
}

function referenceFromJson(json: unknown): ReferenceData {
  const reference = toObject(json);
  return {
    type: toEnum(reference.refType, referenceNames, ReferenceType.CROSS_PROCESS),
    traceId: toText(reference.traceId),
    parentSegmentId: toText(reference.parentTraceSegmentId),
    parentSpanId: toNumber(reference.parentSpanId),
    parentService: toText(reference.parentService),
    parentInstance: toText(reference.parentServiceInstance),
    parentEndpoint: toText(reference.parentEndpoint),
    address: toText(reference.networkAddressUsedAtPeer),
  };
}

function logFromJson(json: unknown): LogEntry {
  const log = toObject(json);
  return { timeMs: toNumber(log.time), data: pairsFromJson(log.data) };
}

function pairsFromJson(json: unknown): string[] {
  return toList(json).flatMap((pair) => [toText(toObject(pair).key), toText(toObject(pair).value)]);
}

function toObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** protobuf's JSON has int64 as a string, agents send it as a number; both are read. */
function toNumber(value: unknown): number {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : 0;
}

function toEnum<T extends number>(value: unknown, names: readonly string[], none: T): T {
  const number = typeof value === "string" ? names.indexOf(value) : value;
  return typeof number === "number" && number in names ? (number as T) : none;
}
