import { isIP } from "node:net";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { type AttributeValue, type FlatAttributes, findAttribute } from "../attributes.ts";
import { serviceNameOf } from "../resource.ts";
import type { EventData, SpanData } from "../span-data.ts";

/** An address with the name of who is there. */
export interface ZipkinEndpoint {
  readonly serviceName?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly port?: number;
}

/** A span as Zipkin's v2 API has it. */
export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: "CLIENT" | "SERVER" | "PRODUCER" | "CONSUMER";
  /** Unix microseconds. */
  readonly timestamp: number;
  /** Microseconds, at least 1: without one a span counts as unfinished. */
  readonly duration: number;
  readonly localEndpoint: ZipkinEndpoint;
  readonly remoteEndpoint?: ZipkinEndpoint;
  readonly annotations?: readonly { readonly timestamp: number; readonly value: string }[];
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * Spans as the JSON that `POST /api/v2/spans` takes. The mapping is OpenTelemetry's ("OpenTelemetry to Zipkin Transformation");
 * what it leaves open: the attributes of the resource are tags too, those of the span win; the instrumentation scope is in
 * `otel.scope.name` and `otel.scope.version`. Zipkin knows no links and no trace state: they stay behind.
 */
export function encodeSpans(spans: readonly SpanData[]): string {
  return JSON.stringify(spans.map(toZipkinSpan));
}

const kinds = {
  [SpanKind.INTERNAL]: undefined,
  [SpanKind.SERVER]: "SERVER",
  [SpanKind.CLIENT]: "CLIENT",
  [SpanKind.PRODUCER]: "PRODUCER",
  [SpanKind.CONSUMER]: "CONSUMER",
} as const;

/** One span in Zipkin's words. */
export function toZipkinSpan(span: SpanData): ZipkinSpan {
  const kind = kinds[span.kind];
  // Zipkin draws an arrow to whoever is named here.
  const remoteEndpoint = kind === "CLIENT" || kind === "PRODUCER" ? findRemoteEndpoint(span.attributes) : undefined;
  const tags = toTags(span);
  return {
    traceId: span.traceId,
    id: span.spanId,
    ...(span.parentSpanId !== "" && { parentId: span.parentSpanId }),
    name: span.name,
    ...(kind !== undefined && { kind }),
    timestamp: Math.floor(span.startUs),
    duration: Math.max(1, Math.floor(span.endUs - span.startUs)),
    localEndpoint: { serviceName: serviceNameOf(span.resource) },
    ...(remoteEndpoint !== undefined && { remoteEndpoint }),
    ...(span.events.length > 0 && { annotations: span.events.map(toAnnotation) }),
    ...(Object.keys(tags).length > 0 && { tags }),
  };
}

/** The attributes that may name the other side, the best first, each with that of its port where it is an address. */
const remoteNames: readonly (readonly [name: string, port?: string])[] = [
  ["service.peer.name"],
  ["peer.service"],
  ["server.address"],
  ["net.peer.name"],
  ["network.peer.address", "network.peer.port"],
  ["server.socket.domain"],
  ["server.socket.address", "server.socket.port"],
  ["net.sock.peer.name"],
  ["net.sock.peer.addr", "net.sock.peer.port"],
  ["peer.hostname"],
  ["peer.address"],
  ["db.name"],
];

/** Who is at the other end, as the attributes say. */
export function findRemoteEndpoint(attributes: FlatAttributes): ZipkinEndpoint | undefined {
  for (const [name, portName] of remoteNames) {
    const found = findAttribute(attributes, name);
    if (typeof found !== "string" || found === "") continue;
    if (portName === undefined) return { serviceName: found };
    const port = findAttribute(attributes, portName);
    return {
      ...(isIP(found) === 4 ? { ipv4: found } : isIP(found) === 6 ? { ipv6: found } : { serviceName: found }),
      ...(typeof port === "number" && port > 0 && port < 65_536 && { port }),
    };
  }
  return undefined;
}

function toTags(span: SpanData): Record<string, string> {
  const tags: Record<string, string> = {};
  putTags(tags, span.resource.attributes);
  // That is the name of the local endpoint.
  delete tags["service.name"];
  if (span.scope.name !== "") tags["otel.scope.name"] = span.scope.name;
  if (span.scope.version !== "") tags["otel.scope.version"] = span.scope.version;
  putTags(tags, span.attributes);
  // Zipkin takes any span with this tag for a failed one.
  if (tags.error === "false") delete tags.error;
  if (span.statusCode === SpanStatusCode.OK) tags["otel.status_code"] = "OK";
  if (span.statusCode === SpanStatusCode.ERROR) {
    tags["otel.status_code"] = "ERROR";
    tags.error = span.statusMessage;
  }
  putCount(tags, "otel.dropped_attributes_count", span.droppedAttributes);
  putCount(tags, "otel.dropped_events_count", span.droppedEvents);
  putCount(tags, "otel.dropped_links_count", span.droppedLinks);
  return tags;
}

function putTags(tags: Record<string, string>, attributes: FlatAttributes): void {
  for (let index = 0; index < attributes.length; index += 2) {
    const value = attributes[index + 1]!;
    tags[attributes[index] as string] = typeof value === "string" ? value : toText(value);
  }
}

function putCount(tags: Record<string, string>, name: string, count: number): void {
  if (count > 0) tags[name] = String(count);
}

/** Lists and objects as JSON, bytes in base64, anything else as it reads. */
function toText(value: AttributeValue): string {
  if (value === null) return "";
  if (typeof value !== "object") return String(value);
  return value instanceof Uint8Array
    ? (toJsonValue(value) as string)
    : JSON.stringify(value, (_, inner) => toJsonValue(inner));
}

function toJsonValue(value: AttributeValue): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

/** An event: its name, and behind it what it carries. */
function toAnnotation({ name, timeUs, attributes }: EventData): { timestamp: number; value: string } {
  const timestamp = Math.floor(timeUs);
  if (attributes.length === 0) return { timestamp, value: name };
  const values: Record<string, unknown> = {};
  for (let index = 0; index < attributes.length; index += 2) {
    values[attributes[index] as string] = attributes[index + 1];
  }
  const json = JSON.stringify(values, (_, inner) => toJsonValue(inner as AttributeValue));
  return { timestamp, value: `${JSON.stringify(name)}: ${json}` };
}
