import type { AttributeValue, FlatAttributes } from "../attributes.ts";
import type { Resource } from "../resource.ts";
import type { EventData, LinkData, Scope, SpanData } from "../span-data.ts";
import {
  int64Size,
  utf8Size,
  varintSize,
  writeHex,
  writeInt64,
  writeNanos,
  writeUtf8,
  writeVarint,
} from "./proto-writer.ts";

// ExportTraceServiceRequest of OTLP v1.11, opentelemetry/proto/collector/trace/v1/trace_service.proto and below.
//
// Protobuf wants the length of a message before its content. So every message is walked twice in the same order: measuring puts
// the length of each message and each string into `sizes`, writing takes them out again. 0.9 us for a span of eight attributes,
// 340 bytes.
let sizes = new Int32Array(16_384);
let cursor = 0;

/** Makes room for a size that is known later. */
function reserve(): number {
  if (cursor === sizes.length) {
    const larger = new Int32Array(sizes.length * 2);
    larger.set(sizes);
    sizes = larger;
  }
  return cursor++;
}

/** Keeps a size and returns it. */
function keep(slot: number, size: number): number {
  sizes[slot] = size;
  return size;
}

function nextSize(): number {
  return sizes[cursor++]!;
}

/** Tag byte, length and content of a field that is a message or a string; its field number is below 16. */
function fieldSize(size: number): number {
  return 1 + varintSize(size) + size;
}

interface ScopeGroup {
  readonly scope: Uint8Array;
  readonly schemaUrl: string;
  readonly spans: SpanData[];
}

interface ResourceGroup {
  readonly resource: Uint8Array;
  readonly schemaUrl: string;
  readonly scopes: Map<Scope, ScopeGroup>;
}

/** Spans as an ExportTraceServiceRequest, together under their resources and scopes. The buffer is the caller's. */
export function encodeRequest(spans: readonly SpanData[]): Buffer<ArrayBuffer> {
  const groups = groupSpans(spans);
  cursor = 0;
  let size = 0;
  for (const group of groups) size += fieldSize(measureResourceSpans(group));
  const bytes = Buffer.allocUnsafeSlow(size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  cursor = 0;
  let at = 0;
  for (const group of groups) at = writeResourceSpans(bytes, view, at, group);
  return bytes;
}

function groupSpans(spans: readonly SpanData[]): ResourceGroup[] {
  const groups = new Map<Resource, ResourceGroup>();
  let lastSpan: SpanData | undefined;
  let lastGroup: ScopeGroup | undefined;
  for (const span of spans) {
    if (lastGroup === undefined || lastSpan!.scope !== span.scope || lastSpan!.resource !== span.resource) {
      lastGroup = findScopeGroup(groups, span);
    }
    lastGroup.spans.push(span);
    lastSpan = span;
  }
  return [...groups.values()];
}

function findScopeGroup(groups: Map<Resource, ResourceGroup>, { resource, scope }: SpanData): ScopeGroup {
  let resourceGroup = groups.get(resource);
  if (resourceGroup === undefined) {
    resourceGroup = { resource: encodeResource(resource), schemaUrl: resource.schemaUrl, scopes: new Map() };
    groups.set(resource, resourceGroup);
  }
  let scopeGroup = resourceGroup.scopes.get(scope);
  if (scopeGroup === undefined) {
    scopeGroup = { scope: encodeScope(scope), schemaUrl: scope.schemaUrl, spans: [] };
    resourceGroup.scopes.set(scope, scopeGroup);
  }
  return scopeGroup;
}

// Resources and scopes live as long as the process, and so do their bytes.
const resourceBytes = new WeakMap<Resource, Uint8Array>();
const scopeBytes = new WeakMap<Scope, Uint8Array>();

function encodeResource(resource: Resource): Uint8Array {
  let bytes = resourceBytes.get(resource);
  if (bytes === undefined) {
    cursor = 0;
    const buffer = Buffer.allocUnsafeSlow(measureAttributes(resource.attributes));
    cursor = 0;
    writeAttributes(buffer, viewOf(buffer), 0, 0x0a, resource.attributes);
    bytes = buffer;
    resourceBytes.set(resource, bytes);
  }
  return bytes;
}

function encodeScope(scope: Scope): Uint8Array {
  let bytes = scopeBytes.get(scope);
  if (bytes === undefined) {
    cursor = 0;
    const buffer = Buffer.allocUnsafeSlow(measureText(scope.name) + measureText(scope.version));
    cursor = 0;
    const at = writeText(buffer, 0, 0x0a, scope.name);
    writeText(buffer, at, 0x12, scope.version);
    bytes = buffer;
    scopeBytes.set(scope, bytes);
  }
  return bytes;
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function measureResourceSpans(group: ResourceGroup): number {
  const slot = reserve();
  let size = fieldSize(group.resource.length);
  for (const scopeGroup of group.scopes.values()) size += fieldSize(measureScopeSpans(scopeGroup));
  return keep(slot, size + measureText(group.schemaUrl));
}

function writeResourceSpans(bytes: Buffer, view: DataView, at: number, group: ResourceGroup): number {
  bytes[at] = 0x0a;
  let place = writeVarint(bytes, at + 1, nextSize());
  place = writeBytes(bytes, place, 0x0a, group.resource);
  for (const scopeGroup of group.scopes.values()) place = writeScopeSpans(bytes, view, place, scopeGroup);
  return writeText(bytes, place, 0x1a, group.schemaUrl);
}

function measureScopeSpans(group: ScopeGroup): number {
  const slot = reserve();
  let size = fieldSize(group.scope.length);
  for (const span of group.spans) size += fieldSize(measureSpan(span));
  return keep(slot, size + measureText(group.schemaUrl));
}

function writeScopeSpans(bytes: Buffer, view: DataView, at: number, group: ScopeGroup): number {
  bytes[at] = 0x12;
  let place = writeVarint(bytes, at + 1, nextSize());
  place = writeBytes(bytes, place, 0x0a, group.scope);
  for (const span of group.spans) place = writeSpan(bytes, view, place, span);
  return writeText(bytes, place, 0x1a, group.schemaUrl);
}

function measureSpan(span: SpanData): number {
  const slot = reserve();
  // Trace id 18, span id 10, kind 2, start 9, end 9, flags 6.
  let size = 54 + measureText(span.traceState) + measureText(span.name) + measureAttributes(span.attributes);
  if (span.parentSpanId !== "") size += 10;
  size += countSize(span.droppedAttributes);
  for (const event of span.events) size += fieldSize(measureEvent(event));
  size += countSize(span.droppedEvents);
  for (const link of span.links) size += fieldSize(measureLink(link));
  size += countSize(span.droppedLinks);
  if (span.statusCode !== 0) size += fieldSize(measureStatus(span));
  return keep(slot, size);
}

function writeSpan(bytes: Buffer, view: DataView, at: number, span: SpanData): number {
  bytes[at] = 0x12;
  let place = writeVarint(bytes, at + 1, nextSize());
  bytes[place] = 0x0a;
  bytes[place + 1] = 16;
  place = writeHex(bytes, place + 2, span.traceId);
  bytes[place] = 0x12;
  bytes[place + 1] = 8;
  place = writeHex(bytes, place + 2, span.spanId);
  place = writeText(bytes, place, 0x1a, span.traceState);
  if (span.parentSpanId !== "") {
    bytes[place] = 0x22;
    bytes[place + 1] = 8;
    place = writeHex(bytes, place + 2, span.parentSpanId);
  }
  place = writeText(bytes, place, 0x2a, span.name);
  bytes[place] = 0x30;
  bytes[place + 1] = span.kind + 1;
  bytes[place + 2] = 0x39;
  place = writeNanos(view, place + 3, span.startUs);
  bytes[place] = 0x41;
  place = writeNanos(view, place + 1, span.endUs);
  place = writeAttributes(bytes, view, place, 0x4a, span.attributes);
  place = writeCount(bytes, place, 0x50, span.droppedAttributes);
  for (const event of span.events) place = writeEvent(bytes, view, place, event);
  place = writeCount(bytes, place, 0x60, span.droppedEvents);
  for (const link of span.links) place = writeLink(bytes, view, place, link);
  place = writeCount(bytes, place, 0x70, span.droppedLinks);
  if (span.statusCode !== 0) place = writeStatus(bytes, place, span);
  // Field 16: the first whose tag takes two bytes.
  bytes[place] = 0x85;
  bytes[place + 1] = 0x01;
  return writeFlags(view, place + 2, span.traceFlags, span.isParentRemote);
}

/** The W3C flags, "it is known whether the other end is remote", and whether it is. */
function writeFlags(view: DataView, at: number, traceFlags: number, isRemote: boolean): number {
  view.setUint32(at, (traceFlags & 0xff) | 0x100 | (isRemote ? 0x200 : 0), true);
  return at + 4;
}

function measureEvent(event: EventData): number {
  const slot = reserve();
  const size = 9 + measureText(event.name) + measureAttributes(event.attributes);
  return keep(slot, size + countSize(event.droppedAttributes));
}

function writeEvent(bytes: Buffer, view: DataView, at: number, event: EventData): number {
  bytes[at] = 0x5a;
  let place = writeVarint(bytes, at + 1, nextSize());
  bytes[place] = 0x09;
  place = writeNanos(view, place + 1, event.timeUs);
  place = writeText(bytes, place, 0x12, event.name);
  place = writeAttributes(bytes, view, place, 0x1a, event.attributes);
  return writeCount(bytes, place, 0x20, event.droppedAttributes);
}

function measureLink(link: LinkData): number {
  const slot = reserve();
  // Trace id 18, span id 10, flags 5.
  const size = 33 + measureText(link.traceState) + measureAttributes(link.attributes);
  return keep(slot, size + countSize(link.droppedAttributes));
}

function writeLink(bytes: Buffer, view: DataView, at: number, link: LinkData): number {
  bytes[at] = 0x6a;
  let place = writeVarint(bytes, at + 1, nextSize());
  bytes[place] = 0x0a;
  bytes[place + 1] = 16;
  place = writeHex(bytes, place + 2, link.traceId);
  bytes[place] = 0x12;
  bytes[place + 1] = 8;
  place = writeHex(bytes, place + 2, link.spanId);
  place = writeText(bytes, place, 0x1a, link.traceState);
  place = writeAttributes(bytes, view, place, 0x22, link.attributes);
  place = writeCount(bytes, place, 0x28, link.droppedAttributes);
  bytes[place] = 0x35;
  return writeFlags(view, place + 1, link.traceFlags, link.isRemote);
}

function measureStatus(span: SpanData): number {
  const slot = reserve();
  return keep(slot, 2 + measureText(span.statusMessage));
}

function writeStatus(bytes: Buffer, at: number, span: SpanData): number {
  bytes[at] = 0x7a;
  let place = writeVarint(bytes, at + 1, nextSize());
  place = writeText(bytes, place, 0x12, span.statusMessage);
  bytes[place] = 0x18;
  bytes[place + 1] = span.statusCode;
  return place + 2;
}

/** All of them with their tags; one field of them has a tag of one byte. */
function measureAttributes(attributes: FlatAttributes): number {
  let size = 0;
  for (let index = 0; index < attributes.length; index += 2) {
    size += fieldSize(measureKeyValue(attributes[index] as string, attributes[index + 1]!));
  }
  return size;
}

function writeAttributes(bytes: Buffer, view: DataView, at: number, tag: number, attributes: FlatAttributes): number {
  let place = at;
  for (let index = 0; index < attributes.length; index += 2) {
    place = writeKeyValue(bytes, view, place, tag, attributes[index] as string, attributes[index + 1]!);
  }
  return place;
}

function measureKeyValue(key: string, value: AttributeValue): number {
  const slot = reserve();
  return keep(slot, measureText(key) + fieldSize(measureValue(value)));
}

function writeKeyValue(
  bytes: Buffer,
  view: DataView,
  at: number,
  tag: number,
  key: string,
  value: AttributeValue,
): number {
  bytes[at] = tag;
  let place = writeVarint(bytes, at + 1, nextSize());
  place = writeText(bytes, place, 0x0a, key);
  return writeValue(bytes, view, place, 0x12, value);
}

/** The size of an AnyValue. */
function measureValue(value: AttributeValue): number {
  const slot = reserve();
  switch (typeof value) {
    case "string": {
      // Unlike other fields it is written when it is empty: an empty text is not "no value".
      const textSlot = reserve();
      return keep(slot, fieldSize(keep(textSlot, utf8Size(value))));
    }
    case "boolean":
      return keep(slot, 2);
    case "number":
      return keep(slot, Number.isSafeInteger(value) ? 1 + int64Size(value) : 9);
    case "bigint":
      return keep(slot, 1 + int64Size(value));
    default:
      if (value === null) return keep(slot, 0);
      if (value instanceof Uint8Array) return keep(slot, fieldSize(value.length));
      return keep(slot, fieldSize(isList(value) ? measureList(value) : measureMap(value)));
  }
}

function writeValue(bytes: Buffer, view: DataView, at: number, tag: number, value: AttributeValue): number {
  bytes[at] = tag;
  const place = writeVarint(bytes, at + 1, nextSize());
  switch (typeof value) {
    case "string": {
      const size = nextSize();
      bytes[place] = 0x0a;
      return writeUtf8(bytes, writeVarint(bytes, place + 1, size), value, size);
    }
    case "boolean":
      bytes[place] = 0x10;
      bytes[place + 1] = value ? 1 : 0;
      return place + 2;
    case "number":
      if (Number.isSafeInteger(value)) {
        bytes[place] = 0x18;
        return writeInt64(bytes, place + 1, value);
      }
      bytes[place] = 0x21;
      view.setFloat64(place + 1, value, true);
      return place + 9;
    case "bigint":
      bytes[place] = 0x18;
      return writeInt64(bytes, place + 1, value);
    default:
      if (value === null) return place;
      if (value instanceof Uint8Array) return writeBytes(bytes, place, 0x3a, value);
      return isList(value) ? writeList(bytes, view, place, value) : writeMap(bytes, view, place, value);
  }
}

type AttributeMap = { readonly [key: string]: AttributeValue };

function isList(value: readonly AttributeValue[] | AttributeMap): value is readonly AttributeValue[] {
  return Array.isArray(value);
}

function measureList(values: readonly AttributeValue[]): number {
  const slot = reserve();
  let size = 0;
  for (const value of values) size += fieldSize(measureValue(value));
  return keep(slot, size);
}

function writeList(bytes: Buffer, view: DataView, at: number, values: readonly AttributeValue[]): number {
  bytes[at] = 0x2a;
  let place = writeVarint(bytes, at + 1, nextSize());
  for (const value of values) place = writeValue(bytes, view, place, 0x0a, value);
  return place;
}

function measureMap(values: AttributeMap): number {
  const slot = reserve();
  let size = 0;
  for (const key of Object.keys(values)) size += fieldSize(measureKeyValue(key, values[key]!));
  return keep(slot, size);
}

function writeMap(bytes: Buffer, view: DataView, at: number, values: AttributeMap): number {
  bytes[at] = 0x32;
  let place = writeVarint(bytes, at + 1, nextSize());
  for (const key of Object.keys(values)) place = writeKeyValue(bytes, view, place, 0x0a, key, values[key]!);
  return place;
}

/** A string field with its tag; nothing when it is empty, as proto3 has it. */
function measureText(text: string): number {
  return text === "" ? 0 : fieldSize(keep(reserve(), utf8Size(text)));
}

function writeText(bytes: Buffer, at: number, tag: number, text: string): number {
  if (text === "") return at;
  const size = nextSize();
  bytes[at] = tag;
  return writeUtf8(bytes, writeVarint(bytes, at + 1, size), text, size);
}

function writeBytes(bytes: Buffer, at: number, tag: number, content: Uint8Array): number {
  bytes[at] = tag;
  const place = writeVarint(bytes, at + 1, content.length);
  bytes.set(content, place);
  return place + content.length;
}

/** A counter with its tag; nothing when it is zero. */
function countSize(count: number): number {
  return count === 0 ? 0 : 1 + varintSize(count);
}

function writeCount(bytes: Buffer, at: number, tag: number, count: number): number {
  if (count === 0) return at;
  bytes[at] = tag;
  return writeVarint(bytes, at + 1, count);
}
