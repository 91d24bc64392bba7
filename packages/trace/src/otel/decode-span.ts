import { FIXED64, LENGTH, ProtoReader, readMessage, VARINT } from "../proto-reader.ts";
import { type RawSpan, sliceSpans } from "./raw-span.ts";
import {
  ATTRIBUTES_OF_RESOURCE,
  field,
  KEY,
  SPAN_ATTRIBUTES,
  SPAN_END,
  SPAN_EVENTS,
  SPAN_FLAGS,
  SPAN_ID,
  SPAN_KIND,
  SPAN_LINKS,
  SPAN_NAME,
  SPAN_PARENT,
  SPAN_START,
  SPAN_STATUS,
  SPAN_TRACE_ID,
  SPAN_TRACE_STATE,
  STATUS_CODE,
  STATUS_MESSAGE,
  STRING_VALUE,
  UNKNOWN_SERVICE,
  VALUE,
} from "./span-fields.ts";

/** An attribute's value as JSON can say it. Bytes are base64; an int64 beyond 2^53 is its digits. */
export type DecodedValue = string | number | boolean | null | DecodedValue[] | { [key: string]: DecodedValue };

export interface DecodedAttribute {
  readonly key: string;
  readonly type: "string" | "bool" | "int64" | "float64" | "binary" | "array" | "map" | "empty";
  readonly value: DecodedValue;
}

export interface DecodedEvent {
  readonly name: string;
  /** Unix microseconds. */
  readonly timeUs: number;
  readonly attributes: DecodedAttribute[];
}

export interface DecodedLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: DecodedAttribute[];
}

/** A span in full, with its resource and scope. Ids are lower-case hex. */
export interface DecodedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  /** SpanKind's number. */
  readonly kind: number;
  /** Unix microseconds. */
  readonly startUs: number;
  /** Microseconds, never below 0. */
  readonly durationUs: number;
  /** Code: 0 unset, 1 ok, 2 error. */
  readonly status: { readonly code: number; readonly message: string };
  readonly attributes: DecodedAttribute[];
  readonly events: DecodedEvent[];
  readonly links: DecodedLink[];
  readonly service: string;
  readonly resource: DecodedAttribute[];
  readonly scope: { readonly name: string; readonly version: string };
}

/** Decodes every span of a request in full, in the order they came. Spans of one resource share its attributes. */
export function decodeSpans(request: Uint8Array): DecodedSpan[] {
  const resources = new Map<Uint8Array, DecodedAttribute[]>();
  return sliceSpans(request).map((raw) => {
    let resource = resources.get(raw.resource);
    if (resource === undefined) {
      resource = decodeResource(raw.resource);
      resources.set(raw.resource, resource);
    }
    return decodeSpanOf(raw, resource);
  });
}

/** Decodes one span in full. */
export function decodeSpan(raw: RawSpan): DecodedSpan {
  return decodeSpanOf(raw, decodeResource(raw.resource));
}

function decodeSpanOf(raw: RawSpan, resource: DecodedAttribute[]): DecodedSpan {
  const span = {
    traceId: "",
    spanId: "",
    parentSpanId: "",
    traceState: "",
    flags: 0,
    name: "",
    kind: 0,
    startUs: 0,
    durationUs: 0,
    status: { code: 0, message: "" },
    attributes: [] as DecodedAttribute[],
    events: [] as DecodedEvent[],
    links: [] as DecodedLink[],
    service: String(resource.find((attribute) => attribute.key === "service.name")?.value || UNKNOWN_SERVICE),
    resource,
    scope: decodeScope(raw.scope),
  };
  let endUs = 0;
  const reader = new ProtoReader(raw.span);
  while (reader.next()) {
    switch (reader.tag) {
      case SPAN_TRACE_ID:
        span.traceId = reader.hex();
        break;
      case SPAN_ID:
        span.spanId = reader.hex();
        break;
      case SPAN_TRACE_STATE:
        span.traceState = reader.string();
        break;
      case SPAN_PARENT: {
        const parent = reader.hex();
        span.parentSpanId = /^0*$/.test(parent) ? "" : parent;
        break;
      }
      case SPAN_NAME:
        span.name = reader.string();
        break;
      case SPAN_KIND:
        span.kind = reader.varint();
        break;
      case SPAN_START:
        span.startUs = reader.nanosAsMicros();
        break;
      case SPAN_END:
        endUs = reader.nanosAsMicros();
        break;
      case SPAN_ATTRIBUTES:
        span.attributes.push(readMessage(reader, decodeAttribute));
        break;
      case SPAN_EVENTS:
        span.events.push(readMessage(reader, decodeEvent));
        break;
      case SPAN_LINKS:
        span.links.push(readMessage(reader, decodeLink));
        break;
      case SPAN_STATUS:
        span.status = readMessage(reader, decodeStatus);
        break;
      case SPAN_FLAGS:
        span.flags = reader.bytes.readUInt32LE(reader.fixed(4));
        break;
      default:
        reader.skip();
    }
  }
  span.durationUs = Math.max(0, endUs - span.startUs);
  return span;
}

function decodeResource(bytes: Uint8Array): DecodedAttribute[] {
  const attributes: DecodedAttribute[] = [];
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.tag === ATTRIBUTES_OF_RESOURCE) attributes.push(readMessage(reader, decodeAttribute));
    else reader.skip();
  }
  return attributes;
}

function decodeScope(bytes: Uint8Array): { name: string; version: string } {
  const scope = { name: "", version: "" };
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.tag === field(1, LENGTH)) scope.name = reader.string();
    else if (reader.tag === field(2, LENGTH)) scope.version = reader.string();
    else reader.skip();
  }
  return scope;
}

function decodeStatus(reader: ProtoReader): { code: number; message: string } {
  const status = { code: 0, message: "" };
  while (reader.next()) {
    if (reader.tag === STATUS_CODE) status.code = reader.varint();
    else if (reader.tag === STATUS_MESSAGE) status.message = reader.string();
    else reader.skip();
  }
  return status;
}

function decodeEvent(reader: ProtoReader): DecodedEvent {
  const event = { name: "", timeUs: 0, attributes: [] as DecodedAttribute[] };
  while (reader.next()) {
    if (reader.tag === field(1, FIXED64)) event.timeUs = reader.nanosAsMicros();
    else if (reader.tag === field(2, LENGTH)) event.name = reader.string();
    else if (reader.tag === field(3, LENGTH)) event.attributes.push(readMessage(reader, decodeAttribute));
    else reader.skip();
  }
  return event;
}

function decodeLink(reader: ProtoReader): DecodedLink {
  const link = { traceId: "", spanId: "", traceState: "", attributes: [] as DecodedAttribute[] };
  while (reader.next()) {
    if (reader.tag === field(1, LENGTH)) link.traceId = reader.hex();
    else if (reader.tag === field(2, LENGTH)) link.spanId = reader.hex();
    else if (reader.tag === field(3, LENGTH)) link.traceState = reader.string();
    else if (reader.tag === field(4, LENGTH)) link.attributes.push(readMessage(reader, decodeAttribute));
    else reader.skip();
  }
  return link;
}

function decodeAttribute(reader: ProtoReader): DecodedAttribute {
  let key = "";
  let value: Omit<DecodedAttribute, "key"> = { type: "empty", value: null };
  while (reader.next()) {
    if (reader.tag === KEY) key = reader.string();
    else if (reader.tag === VALUE) value = readMessage(reader, decodeValue);
    else reader.skip();
  }
  return { key, ...value };
}

// A message may hold itself as often as its sender likes; past this depth a value counts as empty.
const MAX_DEPTH = 32;

function decodeValue(reader: ProtoReader, depth = 0): Omit<DecodedAttribute, "key"> {
  let result: Omit<DecodedAttribute, "key"> = { type: "empty", value: null };
  while (reader.next()) {
    switch (reader.tag) {
      case STRING_VALUE:
        result = { type: "string", value: reader.string() };
        break;
      case field(2, VARINT):
        result = { type: "bool", value: reader.varint() !== 0 };
        break;
      case field(3, VARINT):
        result = { type: "int64", value: integer(reader.int64()) };
        break;
      case field(4, FIXED64):
        result = { type: "float64", value: double(reader.double()) };
        break;
      case field(5, LENGTH):
        if (depth < MAX_DEPTH)
          result = { type: "array", value: readMessage(reader, (inner) => decodeArray(inner, depth)) };
        else reader.skip();
        break;
      case field(6, LENGTH):
        if (depth < MAX_DEPTH) result = { type: "map", value: readMessage(reader, (inner) => decodeMap(inner, depth)) };
        else reader.skip();
        break;
      case field(7, LENGTH):
        result = { type: "binary", value: Buffer.from(reader.slice()).toString("base64") };
        break;
      default:
        reader.skip();
    }
  }
  return result;
}

function decodeArray(reader: ProtoReader, depth: number): DecodedValue[] {
  const values: DecodedValue[] = [];
  while (reader.next()) {
    if (reader.tag === field(1, LENGTH))
      values.push(readMessage(reader, (inner) => decodeValue(inner, depth + 1)).value);
    else reader.skip();
  }
  return values;
}

function decodeMap(reader: ProtoReader, depth: number): Record<string, DecodedValue> {
  const entries: [string, DecodedValue][] = [];
  while (reader.next()) {
    if (reader.tag !== field(1, LENGTH)) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let key = "";
    let value: DecodedValue = null;
    while (reader.next()) {
      if (reader.tag === KEY) key = reader.string();
      else if (reader.tag === VALUE) value = readMessage(reader, (inner) => decodeValue(inner, depth + 1)).value;
      else reader.skip();
    }
    reader.leave(outer);
    entries.push([key, value]);
  }
  // fromEntries defines properties, so a key "__proto__" is a key like any other.
  return Object.fromEntries(entries);
}

function integer(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** JSON has no NaN and no infinities; protobuf's JSON mapping writes their names. */
function double(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
