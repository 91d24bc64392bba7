import { SpanStatusCode } from "@opentelemetry/api";
import type { AttributeValue, FlatAttributes } from "../attributes.ts";
import type { EventData, SpanData } from "../span-data.ts";
import { classify } from "./components.ts";
import type { Identity } from "./identity.ts";
import { operationOf } from "./operation.ts";
import { peerOf } from "./peer.ts";
import type { Entry, FinishedSegment } from "./segment-book.ts";
import { type LogEntry, type SegmentData, type SegmentSpan, SpanLayer, SpanType } from "./segment-data.ts";
import { textOf, toTags } from "./tags.ts";
import { cut, maxEndpointLength, maxPeerLength } from "./text-limits.ts";

export interface DescribeSettings {
  readonly identity: Identity;
  /** Logs of one span. */
  readonly maxLogs: number;
}

/** A finished segment in SkyWalking's words. */
export function describeSegment(segment: FinishedSegment, { identity, maxLogs }: DescribeSettings): SegmentData {
  return {
    traceId: segment.traceId,
    segmentId: segment.segmentId,
    spans: segment.entries.map((entry) => describeSpan(entry, segment, maxLogs)),
    service: identity.service,
    instance: identity.instance,
    isSizeLimited: segment.isSizeLimited,
  };
}

function describeSpan(entry: Entry, segment: FinishedSegment, maxLogs: number): SegmentSpan {
  const span = entry.data!;
  // Of entries the innermost framework knows best what this is, of exits the outermost.
  const [first, second] =
    entry.inner === undefined ? [span] : entry.type === SpanType.ENTRY ? [entry.inner, span] : [span, entry.inner];
  const attributes = joinAttributes(first.attributes, second?.attributes);
  const read = (name: string): string => textOf(attributes.get(name));
  const classification = classify(read, span.kind, first.scope.name);
  const told = peerOf(first.attributes) || (second === undefined ? "" : peerOf(second.attributes));
  const isTold = entry.type === SpanType.EXIT || classification.layer === SpanLayer.MQ;
  const peer = entry.peer !== "" ? entry.peer : isTold ? told : "";
  const tags = toTags({ attributes, read, kind: span.kind, classification, peer });
  if (entry.number === 0 && segment.sentAtMs !== undefined && classification.layer === SpanLayer.MQ) {
    tags.push("transmission.latency", String(Math.max(0, Math.floor(span.startUs / 1000) - segment.sentAtMs)));
  }
  const isCold = segment.isCold && entry.number === 0;
  if (isCold) tags.unshift("coldStart", "true");
  return {
    spanId: entry.number,
    parentSpanId: entry.parentNumber,
    startMs: Math.floor(span.startUs / 1000),
    endMs: Math.floor(span.endUs / 1000),
    references: entry.references,
    operation: cut(operation(first, entry.type, read) + (isCold ? "<cold>" : ""), maxEndpointLength),
    peer: cut(peer, maxPeerLength),
    type: entry.type,
    layer: classification.layer,
    componentId: classification.componentId,
    isError: span.statusCode === SpanStatusCode.ERROR || second?.statusCode === SpanStatusCode.ERROR,
    tags,
    logs: toLogs(first, second, maxLogs),
    skipAnalysis: segment.skipAnalysis,
  };
}

function joinAttributes(first: FlatAttributes, second: FlatAttributes | undefined): Map<string, AttributeValue> {
  const attributes = new Map<string, AttributeValue>();
  for (const flat of second === undefined ? [first] : [first, second]) {
    for (let index = 0; index < flat.length; index += 2) {
      const key = flat[index] as string;
      if (!attributes.has(key)) attributes.set(key, flat[index + 1]!);
    }
  }
  return attributes;
}

/** OpenTelemetry calls an HTTP client's span by its method alone; SkyWalking's agents add the path. */
function operation({ name }: SpanData, type: SpanType, read: (name: string) => string): string {
  if (type !== SpanType.EXIT || name !== (read("http.request.method") || read("http.method"))) return operationOf(name);
  const url = read("url.full") || read("http.url");
  const path = read("url.template") || read("url.path") || (URL.canParse(url) ? new URL(url).pathname : "");
  return operationOf(path === "" ? name : `${name} ${path}`);
}

function toLogs(first: SpanData, second: SpanData | undefined, maxLogs: number): LogEntry[] {
  const logs: LogEntry[] = [];
  let hasError = false;
  for (const event of second === undefined ? first.events : [...first.events, ...second.events]) {
    if (logs.length >= maxLogs) break;
    hasError ||= event.name === "exception";
    logs.push({ timeMs: Math.floor(event.timeUs / 1000), data: toLogData(event) });
  }
  if (!hasError && first.statusMessage !== "" && logs.length < maxLogs) {
    logs.push({ timeMs: Math.floor(first.endUs / 1000), data: ["event", "error", "message", first.statusMessage] });
  }
  return logs;
}

/** An exception under the names of Java's agent. */
const exceptionNames: Readonly<Record<string, string>> = {
  "exception.type": "error.kind",
  "exception.message": "message",
  "exception.stacktrace": "stack",
};

function toLogData({ name, attributes }: EventData): string[] {
  const isException = name === "exception";
  // A log entry of the toolkit has no name of its own.
  const data = name === "" ? [] : ["event", isException ? "error" : name];
  for (let index = 0; index < attributes.length; index += 2) {
    const key = attributes[index] as string;
    const known = isException && Object.hasOwn(exceptionNames, key) ? exceptionNames[key]! : key;
    data.push(known, textOf(attributes[index + 1]));
  }
  return data;
}
