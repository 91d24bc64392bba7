import { hash } from "node:crypto";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { type AttributeValue, toAttributeValue } from "../attributes.ts";
import { FIXED64, LENGTH, MalformedError, ProtoReader, readMessage, VARINT } from "../proto-reader.ts";
import type { Resource } from "../resource.ts";
import type { EventData, Scope, SpanData } from "../span-data.ts";
import { findRemoteEndpoint, type ZipkinEndpoint } from "./encode.ts";

/** What could be read of a body. */
export interface DecodedSpans {
  readonly spans: SpanData[];
  /** Spans left out because they are malformed. */
  readonly rejected: number;
  /** Why the first of them was, for the sender; empty when none was. */
  readonly message: string;
}

/**
 * Reads the JSON that `POST /api/v2/spans` takes: the way back from `encodeSpans`, and what Zipkin's own senders write. A malformed
 * span is left out, the others stay. Tags keep their names. What is not in Zipkin's words as it stands:
 *
 * - a `shared` span of a server has the id of its client's span: it becomes that span's child, with an id derived from it, and its own
 *   children in the same body follow it;
 * - 64-bit trace ids are filled up with zeros;
 * - a span without a timestamp begins with its first annotation.
 *
 * @throws MalformedError when it is no JSON list.
 */
export function decodeSpans(json: string): DecodedSpans {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch (error) {
    throw new MalformedError(-1, `not JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(list)) throw new MalformedError(-1, "the body must be a list of spans");
  return collect(list, readJsonSpan);
}

/** Reads the same as protobuf: zipkin.proto3.ListOfSpans. @throws MalformedError when it is none. */
export function decodeProtobufSpans(body: Uint8Array): DecodedSpans {
  const reader = new ProtoReader(body);
  const slices: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.tag === length(1)) slices.push(reader.slice());
    else reader.skip();
  }
  return collect(slices, readProtobufSpan);
}

/** A span as it was read, whatever its encoding. */
interface ReceivedSpan {
  traceId: string;
  id: string;
  /** Empty for none. */
  parentId: string;
  name: string;
  kind: SpanKind;
  isShared: boolean;
  /** Unix microseconds; 0 for none. */
  timestamp: number;
  /** Microseconds; 0 for none. */
  duration: number;
  local: ZipkinEndpoint;
  remote: ZipkinEndpoint;
  readonly annotations: { readonly timestamp: number; readonly value: string }[];
  readonly tags: Map<string, string>;
}

function collect<T>(items: readonly T[], read: (item: T) => ReceivedSpan): DecodedSpans {
  const received: ReceivedSpan[] = [];
  let message = "";
  for (const [index, item] of items.entries()) {
    try {
      received.push(checkSpan(read(item)));
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      if (message === "") message = `span ${index}: ${error.message}`;
    }
  }
  // Of a shared span, and below it.
  const joined = new Map<string, string>();
  for (const span of received) {
    if (!span.isShared) continue;
    const { traceId, id } = span;
    span.parentId = id;
    span.id = hash("sha256", `${id} shared`, "hex").slice(0, 16);
    joined.set(`${traceId} ${id} ${serviceOf(span)}`, span.id);
  }
  const around = new Around();
  const spans = received.map((span) => {
    // Only servers and consumers have their parent elsewhere.
    const isBelow = !span.isShared && span.kind !== SpanKind.SERVER && span.kind !== SpanKind.CONSUMER;
    const joinedId = isBelow ? joined.get(`${span.traceId} ${span.parentId} ${serviceOf(span)}`) : undefined;
    return toSpan(joinedId === undefined ? span : { ...span, parentId: joinedId }, around);
  });
  return { spans, rejected: items.length - spans.length, message };
}

function checkSpan(span: ReceivedSpan): ReceivedSpan {
  span.traceId = toId(span.traceId, 32, "traceId");
  span.id = toId(span.id, 16, "id");
  if (span.parentId !== "") span.parentId = isZero(span.parentId) ? "" : toId(span.parentId, 16, "parentId");
  // Zipkin takes this for a root too.
  if (span.parentId === span.id) span.parentId = "";
  // A producer and a client begin what others share.
  if (span.kind === SpanKind.CLIENT || span.kind === SpanKind.PRODUCER) span.isShared = false;
  if (span.timestamp === 0) {
    for (const { timestamp } of span.annotations) {
      if (timestamp > 0 && (span.timestamp === 0 || timestamp < span.timestamp)) span.timestamp = timestamp;
    }
  }
  if (span.timestamp === 0) throw wrong("timestamp", "microseconds since 1970", undefined);
  return span;
}

function toId(text: string, digits: number, name: string): string {
  if (text.length > digits || !/^[0-9a-f]+$/i.test(text) || isZero(text)) {
    throw wrong(name, `up to ${digits} hex digits, not all zero`, text);
  }
  return text.toLowerCase().padStart(digits, "0");
}

function isZero(id: string): boolean {
  return /^0*$/.test(id);
}

function wrong(name: string, expected: string, given: unknown): MalformedError {
  const shown = String(JSON.stringify(given));
  return new MalformedError(
    -1,
    `${name} must be ${expected}, not ${shown.length > 40 ? `${shown.slice(0, 40)}...` : shown}`,
  );
}

function serviceOf({ local }: ReceivedSpan): string {
  return local.serviceName || "unknown_service";
}

/** The resources and scopes of a body, one object for each, for encoders put together what has the same. */
class Around {
  readonly #resources = new Map<string, Resource>();
  readonly #scopes = new Map<string, Scope>();

  resource(service: string): Resource {
    let resource = this.#resources.get(service);
    if (resource === undefined) {
      resource = { attributes: ["service.name", service], schemaUrl: "" };
      this.#resources.set(service, resource);
    }
    return resource;
  }

  scope(name: string, version: string): Scope {
    const key = `${name}\n${version}`;
    let scope = this.#scopes.get(key);
    if (scope === undefined) {
      scope = { name, version, schemaUrl: "" };
      this.#scopes.set(key, scope);
    }
    return scope;
  }
}

function toSpan(span: ReceivedSpan, around: Around): SpanData {
  const { tags, kind } = span;
  // What encoders make of an OpenTelemetry span; the names before these are those of older ones.
  const take = (...names: readonly string[]): string => {
    let found = "";
    for (const name of names) {
      found ||= tags.get(name) ?? "";
      tags.delete(name);
    }
    return found;
  };
  const count = (name: string): number => Math.max(0, Math.floor(Number(take(name))) || 0);
  const resource = around.resource(serviceOf(span));
  const scope = around.scope(
    take("otel.scope.name", "otel.library.name"),
    take("otel.scope.version", "otel.library.version"),
  );
  // With any value: Zipkin shows every span with this tag as failed.
  const hasError = tags.has("error");
  const error = take("error");
  const code = take("otel.status_code").toUpperCase();
  const description = take("otel.status_description");
  const isError = hasError || code === "ERROR";
  return {
    traceId: span.traceId,
    spanId: span.id,
    parentSpanId: span.parentId,
    isParentRemote: span.parentId !== "" && (kind === SpanKind.SERVER || kind === SpanKind.CONSUMER || span.isShared),
    traceFlags: 1,
    traceState: "",
    name: span.name,
    kind,
    startUs: span.timestamp,
    endUs: span.timestamp + span.duration,
    statusCode: isError ? SpanStatusCode.ERROR : code === "OK" ? SpanStatusCode.OK : SpanStatusCode.UNSET,
    statusMessage: isError ? description || (error === "true" ? "" : error) : "",
    droppedAttributes: count("otel.dropped_attributes_count"),
    droppedEvents: count("otel.dropped_events_count"),
    droppedLinks: count("otel.dropped_links_count"),
    attributes: toAttributes(span),
    events: span.annotations.map(toEvent),
    links: [],
    scope,
    resource,
  };
}

function toAttributes({ tags, local, remote }: ReceivedSpan): AttributeValue[] {
  const attributes = new Map<string, AttributeValue>(tags);
  const put = (name: string, value: AttributeValue | undefined): void => {
    if (value !== undefined && !attributes.has(name)) attributes.set(name, value);
  };
  // An encoder that took the other side's name from an attribute has sent that attribute as well.
  const named = findRemoteEndpoint([...tags].flat());
  if (remote.serviceName !== named?.serviceName) put("service.peer.name", remote.serviceName);
  put("network.peer.address", remote.ipv4 ?? remote.ipv6);
  put("network.peer.port", remote.port);
  put("network.local.address", local.ipv4 ?? local.ipv6);
  put("network.local.port", local.port);
  return [...attributes].flat();
}

// A name in quotation marks, and what it carries as JSON: how OpenTelemetry's encoders write an event.
const eventPattern = /^("(?:[^"\\]|\\.)*"): (\{.*\})$/s;

function toEvent({ timestamp, value }: { readonly timestamp: number; readonly value: string }): EventData {
  const event = { timeUs: timestamp, droppedAttributes: 0 };
  const match = eventPattern.exec(value);
  if (match !== null) {
    try {
      const name = JSON.parse(match[1]!) as string;
      const attributes: AttributeValue[] = [];
      for (const [key, given] of Object.entries(JSON.parse(match[2]!) as object)) {
        const one = toAttributeValue(given, Number.POSITIVE_INFINITY);
        if (one !== undefined) attributes.push(key, one);
      }
      return { ...event, name, attributes };
    } catch {
      // It only looks like one.
    }
  }
  return { ...event, name: value, attributes: [] };
}

const kindNames: Readonly<Record<string, SpanKind>> = {
  CLIENT: SpanKind.CLIENT,
  SERVER: SpanKind.SERVER,
  PRODUCER: SpanKind.PRODUCER,
  CONSUMER: SpanKind.CONSUMER,
};
const kindNumbers = [
  SpanKind.INTERNAL,
  SpanKind.CLIENT,
  SpanKind.SERVER,
  SpanKind.PRODUCER,
  SpanKind.CONSUMER,
] as const;

function readJsonSpan(json: unknown): ReceivedSpan {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new MalformedError(-1, "not an object");
  const span = json as Record<string, unknown>;
  const kind = toText(span.kind, "kind");
  const tags = new Map<string, string>();
  for (const [key, value] of Object.entries(toObject(span.tags, "tags"))) {
    if (value !== null) tags.set(key, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return {
    traceId: toText(span.traceId, "traceId"),
    id: toText(span.id, "id"),
    parentId: toText(span.parentId, "parentId"),
    name: toText(span.name, "name"),
    kind: Object.hasOwn(kindNames, kind) ? kindNames[kind]! : SpanKind.INTERNAL,
    isShared: span.shared === true,
    timestamp: toTime(span.timestamp, "timestamp"),
    duration: toTime(span.duration, "duration"),
    local: readJsonEndpoint(span.localEndpoint, "localEndpoint"),
    remote: readJsonEndpoint(span.remoteEndpoint, "remoteEndpoint"),
    annotations: toList(span.annotations, "annotations").map((item) => {
      const { timestamp, value } = toObject(item, "an annotation");
      return {
        timestamp: toTime(timestamp, "an annotation's timestamp"),
        value: toText(value, "an annotation's value"),
      };
    }),
    tags,
  };
}

function readJsonEndpoint(json: unknown, name: string): ZipkinEndpoint {
  const { serviceName, ipv4, ipv6, port } = toObject(json, name);
  return toEndpoint(
    toText(serviceName, `${name}.serviceName`),
    toText(ipv4, `${name}.ipv4`),
    toText(ipv6, `${name}.ipv6`),
    toTime(port, `${name}.port`),
  );
}

function toEndpoint(serviceName: string, ipv4: string, ipv6: string, port: number): ZipkinEndpoint {
  return {
    ...(serviceName !== "" && { serviceName }),
    ...(ipv4 !== "" && { ipv4 }),
    ...(ipv6 !== "" && { ipv6 }),
    ...(port > 0 && port < 65_536 && { port }),
  };
}

function toText(value: unknown, name: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw wrong(name, "a string", value);
  return value;
}

function toObject(value: unknown, name: string): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw wrong(name, "an object", value);
  return value as Record<string, unknown>;
}

function toList(value: unknown, name: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrong(name, "a list", value);
  return value;
}

/** A whole number from 0 on; some senders write it as a string. */
function toTime(value: unknown, name: string): number {
  if (value === undefined || value === null) return 0;
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) {
    throw wrong(name, "a whole number", value);
  }
  return Math.floor(number);
}

// zipkin.proto of openzipkin/zipkin-api.

const length = (field: number): number => field * 8 + LENGTH;
const varint = (field: number): number => field * 8 + VARINT;
const fixed64 = (field: number): number => field * 8 + FIXED64;

function readProtobufSpan(bytes: Uint8Array): ReceivedSpan {
  const span: ReceivedSpan = {
    traceId: "",
    id: "",
    parentId: "",
    name: "",
    kind: SpanKind.INTERNAL,
    isShared: false,
    timestamp: 0,
    duration: 0,
    local: {},
    remote: {},
    annotations: [],
    tags: new Map(),
  };
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.tag === length(1)) span.traceId = reader.hex();
    else if (reader.tag === length(2)) span.parentId = reader.hex();
    else if (reader.tag === length(3)) span.id = reader.hex();
    else if (reader.tag === varint(4)) span.kind = kindNumbers[reader.varint()] ?? SpanKind.INTERNAL;
    else if (reader.tag === length(5)) span.name = reader.string();
    else if (reader.tag === fixed64(6)) span.timestamp = readTime(reader, "timestamp");
    else if (reader.tag === varint(7)) span.duration = toTime(reader.varint(), "duration");
    else if (reader.tag === length(8)) span.local = readMessage(reader, readEndpoint);
    else if (reader.tag === length(9)) span.remote = readMessage(reader, readEndpoint);
    else if (reader.tag === length(10)) span.annotations.push(readMessage(reader, readAnnotation));
    else if (reader.tag === length(11)) span.tags.set(...readMessage(reader, readTag));
    else if (reader.tag === varint(13)) span.isShared = reader.varint() !== 0;
    else reader.skip();
  }
  return span;
}

function readTime(reader: ProtoReader, name: string): number {
  return toTime(Number(reader.fixed64()), name);
}

function readEndpoint(reader: ProtoReader): ZipkinEndpoint {
  let [serviceName, ipv4, ipv6, port] = ["", "", "", 0];
  while (reader.next()) {
    if (reader.tag === length(1)) serviceName = reader.string();
    else if (reader.tag === length(2)) ipv4 = formatIpv4(reader.slice());
    else if (reader.tag === length(3)) ipv6 = formatIpv6(reader.slice());
    else if (reader.tag === varint(4)) port = reader.varint();
    else reader.skip();
  }
  return toEndpoint(serviceName, ipv4, ipv6, port);
}

function formatIpv4(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join(".") : "";
}

function formatIpv6(bytes: Uint8Array): string {
  if (bytes.length !== 16) return "";
  const groups = Buffer.from(bytes)
    .toString("hex")
    .replace(/.{4}(?=.)/g, "$&:");
  // Its shortest form.
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}

function readAnnotation(reader: ProtoReader): { timestamp: number; value: string } {
  const annotation = { timestamp: 0, value: "" };
  while (reader.next()) {
    if (reader.tag === fixed64(1)) annotation.timestamp = readTime(reader, "an annotation's timestamp");
    else if (reader.tag === length(2)) annotation.value = reader.string();
    else reader.skip();
  }
  return annotation;
}

function readTag(reader: ProtoReader): [key: string, value: string] {
  const tag: [string, string] = ["", ""];
  while (reader.next()) {
    if (reader.tag === length(1)) tag[0] = reader.string();
    else if (reader.tag === length(2)) tag[1] = reader.string();
    else reader.skip();
  }
  return tag;
}
