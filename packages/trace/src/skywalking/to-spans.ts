import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { AttributeValue } from "../attributes.ts";
import type { Resource } from "../resource.ts";
import type { EventData, LinkData, Scope, SpanData } from "../span-data.ts";
import { keepForeignId, SegmentSpanIds, toSpanId, toTraceId } from "./ids.ts";
import { type LogEntry, type SegmentData, type SegmentSpan, SpanLayer, SpanType } from "./segment-data.ts";

const scope: Scope = Object.freeze({ name: "skywalking", version: "", schemaUrl: "" });

/** Tags whose meaning OpenTelemetry has a name for. */
const names: Readonly<Record<string, string>> = {
  "http.method": "http.request.method",
  "http.status_code": "http.response.status_code",
  status_code: "http.response.status_code",
  url: "url.full",
  "http.url": "url.full",
  "db.type": "db.system.name",
  "db.instance": "db.namespace",
  "db.statement": "db.query.text",
  "cache.type": "db.system.name",
  "cache.cmd": "db.operation.name",
  "rpc.status_code": "rpc.response.status_code",
  "mq.topic": "messaging.destination.name",
  "mq.queue": "messaging.destination.name",
  "mq.msg.id": "messaging.message.id",
};

/** How an agent's log calls an exception, and how OpenTelemetry does. */
const exceptionNames: Readonly<Record<string, string>> = {
  "error.kind": "exception.type",
  message: "exception.message",
  stack: "exception.stacktrace",
  Stack: "exception.stacktrace",
};

/**
 * A segment as finished spans, for who stores spans: ids by the mapping that everybody uses, so that they join those of other
 * dialects. Times are exact to a millisecond only, as SkyWalking's are.
 */
export function segmentToSpans(segment: SegmentData): SpanData[] {
  const ids = new SegmentSpanIds(segment.segmentId);
  const traceId = toTraceId(segment.traceId);
  const traceState = keepForeignId(segment.traceId, traceId, undefined)?.serialize() ?? "";
  const resource: Resource = {
    attributes: [
      "service.name",
      segment.service || "unknown_service",
      "service.instance.id",
      segment.instance,
      "telemetry.sdk.name",
      "skywalking",
    ],
    schemaUrl: "",
  };
  return segment.spans.map((span) => toSpan(span, { ids, traceId, traceState, resource }));
}

interface Around {
  readonly ids: SegmentSpanIds;
  readonly traceId: string;
  readonly traceState: string;
  readonly resource: Resource;
}

function toSpan(span: SegmentSpan, { ids, traceId, traceState, resource }: Around): SpanData {
  const [first, ...others] = span.references;
  // A reference is the parent of a span that has none in its segment.
  const isReferred = span.parentSpanId < 0 && first !== undefined && toTraceId(first.traceId) === traceId;
  const links = isReferred ? others : span.references;
  return {
    traceId,
    spanId: ids.of(span.spanId),
    parentSpanId: isReferred
      ? toSpanId(first.parentSegmentId, first.parentSpanId)
      : span.parentSpanId < 0
        ? ""
        : ids.of(span.parentSpanId),
    isParentRemote: isReferred && first.type === 0,
    traceFlags: 1,
    traceState,
    name: span.operation,
    kind: kindOf(span),
    startUs: span.startMs * 1000,
    endUs: Math.max(span.startMs, span.endMs) * 1000,
    statusCode: span.isError ? SpanStatusCode.ERROR : SpanStatusCode.UNSET,
    statusMessage: "",
    attributes: toAttributes(span),
    droppedAttributes: 0,
    events: span.logs.map(toEvent),
    droppedEvents: 0,
    links: links.map((reference): LinkData => {
      const linkedTraceId = toTraceId(reference.traceId);
      return {
        traceId: linkedTraceId,
        spanId: toSpanId(reference.parentSegmentId, reference.parentSpanId),
        traceFlags: 1,
        traceState: keepForeignId(reference.traceId, linkedTraceId, undefined)?.serialize() ?? "",
        isRemote: true,
        attributes: [],
        droppedAttributes: 0,
      };
    }),
    droppedLinks: 0,
    scope,
    resource,
  };
}

function kindOf({ type, layer }: SegmentSpan): SpanKind {
  if (type === SpanType.LOCAL) return SpanKind.INTERNAL;
  if (layer === SpanLayer.MQ) return type === SpanType.ENTRY ? SpanKind.CONSUMER : SpanKind.PRODUCER;
  return type === SpanType.ENTRY ? SpanKind.SERVER : SpanKind.CLIENT;
}

function toAttributes(span: SegmentSpan): AttributeValue[] {
  const attributes = new Map<string, AttributeValue>();
  for (let index = 0; index < span.tags.length; index += 2) {
    const key = span.tags[index]!;
    const value = span.tags[index + 1]!;
    const name = Object.hasOwn(names, key) ? names[key]! : key;
    const isStatus = name === "http.response.status_code" && /^\d{3}$/.test(value);
    attributes.set(name, isStatus ? Number(value) : name === "db.system.name" ? value.toLowerCase() : value);
  }
  if (span.peer !== "") putPeer(attributes, span);
  if (span.componentId !== 0) attributes.set("sw.component_id", span.componentId);
  if (span.skipAnalysis) attributes.set("sw.skip_analysis", true);
  return [...attributes].flat();
}

function putPeer(attributes: Map<string, AttributeValue>, { peer, type }: SegmentSpan): void {
  const side = type === SpanType.ENTRY ? "network.peer" : "server";
  const match = /^(.*):(\d{1,5})$/.exec(peer);
  attributes.set(`${side}.address`, match === null ? peer : match[1]!.replace(/^\[(.*)\]$/, "$1"));
  if (match !== null) attributes.set(`${side}.port`, Number(match[2]));
}

function toEvent({ timeMs, data }: LogEntry): EventData {
  const attributes = new Map<string, AttributeValue>();
  let name = "log";
  for (let index = 0; index < data.length; index += 2) {
    if (data[index] === "event") name = data[index + 1]!;
    else attributes.set(data[index]!, data[index + 1]!);
  }
  const isException = (name === "error" && attributes.has("error.kind")) || attributes.has("Stack");
  if (!isException) return { name, timeUs: timeMs * 1000, attributes: [...attributes].flat(), droppedAttributes: 0 };
  const renamed: AttributeValue[] = [];
  for (const [key, value] of attributes) {
    renamed.push(Object.hasOwn(exceptionNames, key) ? exceptionNames[key]! : key, value);
  }
  return { name: "exception", timeUs: timeMs * 1000, attributes: renamed, droppedAttributes: 0 };
}
