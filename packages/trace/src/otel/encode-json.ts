import type { AttributeValue, FlatAttributes } from "../attributes.ts";
import type { Resource } from "../resource.ts";
import type { EventData, LinkData, Scope, SpanData } from "../span-data.ts";

// OTLP v1.11 in JSON ("JSON Protobuf Encoding"): lowerCamelCase, ids in hex, enums as numbers, 64-bit integers as strings, other
// bytes in base64. Text is put together by hand: JSON.stringify of a tree of objects took three times as long, and the garbage with
// it.

/** Spans as the JSON of an ExportTraceServiceRequest, together under their resources and scopes. */
export function encodeRequestAsJson(spans: readonly SpanData[]): string {
  const resources = new Map<Resource, Map<Scope, string>>();
  for (const span of spans) {
    let scopes = resources.get(span.resource);
    if (scopes === undefined) {
      scopes = new Map();
      resources.set(span.resource, scopes);
    }
    const before = scopes.get(span.scope);
    scopes.set(span.scope, before === undefined ? toSpan(span) : `${before},${toSpan(span)}`);
  }
  let groups = "";
  for (const [resource, scopes] of resources) {
    let scopeSpans = "";
    for (const [scope, text] of scopes) {
      if (scopeSpans !== "") scopeSpans += ",";
      scopeSpans += `{"scope":${toScope(scope)},"spans":[${text}]${toField("schemaUrl", scope.schemaUrl)}}`;
    }
    if (groups !== "") groups += ",";
    const schemaUrl = toField("schemaUrl", resource.schemaUrl);
    groups += `{"resource":{"attributes":${toAttributes(resource.attributes)}},"scopeSpans":[${scopeSpans}]${schemaUrl}}`;
  }
  return `{"resourceSpans":[${groups}]}`;
}

/** An InstrumentationScope. */
export function toScope({ name, version }: Scope): string {
  return `{"name":${toText(name)}${toField("version", version)}}`;
}

function toSpan(span: SpanData): string {
  let text = `{"traceId":"${span.traceId}","spanId":"${span.spanId}"`;
  text += toField("traceState", span.traceState);
  if (span.parentSpanId !== "") text += `,"parentSpanId":"${span.parentSpanId}"`;
  text += `,"name":${toText(span.name)},"kind":${span.kind + 1}`;
  text += `,"startTimeUnixNano":"${toNanos(span.startUs)}","endTimeUnixNano":"${toNanos(span.endUs)}"`;
  if (span.attributes.length > 0) text += `,"attributes":${toAttributes(span.attributes)}`;
  text += toCount("droppedAttributesCount", span.droppedAttributes);
  if (span.events.length > 0) text += `,"events":[${span.events.map(toEvent).join(",")}]`;
  text += toCount("droppedEventsCount", span.droppedEvents);
  if (span.links.length > 0) text += `,"links":[${span.links.map(toLink).join(",")}]`;
  text += toCount("droppedLinksCount", span.droppedLinks);
  if (span.statusCode !== 0) {
    text += `,"status":{"code":${span.statusCode}${toField("message", span.statusMessage)}}`;
  }
  return `${text},"flags":${toFlags(span.traceFlags, span.isParentRemote)}}`;
}

function toEvent(event: EventData): string {
  let text = `{"timeUnixNano":"${toNanos(event.timeUs)}","name":${toText(event.name)}`;
  if (event.attributes.length > 0) text += `,"attributes":${toAttributes(event.attributes)}`;
  return `${text}${toCount("droppedAttributesCount", event.droppedAttributes)}}`;
}

function toLink(link: LinkData): string {
  let text = `{"traceId":"${link.traceId}","spanId":"${link.spanId}"${toField("traceState", link.traceState)}`;
  if (link.attributes.length > 0) text += `,"attributes":${toAttributes(link.attributes)}`;
  text += toCount("droppedAttributesCount", link.droppedAttributes);
  return `${text},"flags":${toFlags(link.traceFlags, link.isRemote)}}`;
}

/** The W3C flags, "it is known whether the other end is remote", and whether it is. */
function toFlags(traceFlags: number, isRemote: boolean): number {
  return (traceFlags & 0xff) | 0x100 | (isRemote ? 0x200 : 0);
}

/** Attributes as a list of KeyValue. */
export function toAttributes(attributes: FlatAttributes): string {
  let text = "[";
  for (let index = 0; index < attributes.length; index += 2) {
    if (index > 0) text += ",";
    text += `{"key":${toText(attributes[index] as string)},"value":${toValue(attributes[index + 1]!)}}`;
  }
  return `${text}]`;
}

/** An AnyValue. */
export function toValue(value: AttributeValue): string {
  switch (typeof value) {
    case "string":
      return `{"stringValue":${toText(value)}}`;
    case "boolean":
      return `{"boolValue":${value}}`;
    case "number":
      if (Number.isSafeInteger(value)) return `{"intValue":"${Object.is(value, -0) ? 0 : value}"}`;
      return `{"doubleValue":${Number.isFinite(value) ? value : `"${value}"`}}`;
    case "bigint":
      return `{"intValue":"${value}"}`;
    default:
      if (value === null) return "{}";
      if (value instanceof Uint8Array) return `{"bytesValue":"${Buffer.from(value).toString("base64")}"}`;
      if (Array.isArray(value)) return `{"arrayValue":{"values":[${value.map(toValue).join(",")}]}}`;
      return `{"kvlistValue":{"values":${toAttributes(Object.entries(value).flat())}}}`;
  }
}

// What JSON.stringify would escape: then it does.
const special = /["\\]|[^\u0020-\ud7ff\ue000-\uffff]/;

/** A text with its quotes. */
export function toText(text: string): string {
  return special.test(text) ? JSON.stringify(text.toWellFormed()) : `"${text}"`;
}

/** A field behind others, for a text that is not empty. */
export function toField(name: string, text: string): string {
  return text === "" ? "" : `,"${name}":${toText(text)}`;
}

function toCount(name: string, count: number): string {
  return count === 0 ? "" : `,"${name}":${count}`;
}

/** Microseconds, a double, as the digits of nanoseconds. In two halves: together they are beyond 2^53. */
export function toNanos(us: number): string {
  const whole = Math.floor(us);
  const nanos = Math.round((us - whole) * 1000);
  return nanos === 1000 ? `${whole + 1}000` : `${whole}${String(nanos).padStart(3, "0")}`;
}
