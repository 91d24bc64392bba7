import type { AttributeValue, FlatAttributes } from "../attributes.ts";
import {
  bytes,
  closeMessage,
  ensureRoom,
  openMessage,
  smallRoom,
  takeBytes,
  writeBytes,
  writeDouble,
  writeInt64,
  writeRaw,
  writeString,
  writeVarint,
} from "../proto-writer.ts";
import type { Resource } from "../resource.ts";
import type { Scope } from "../span-data.ts";

// What spans, metrics and logs have in common in OTLP v1.11: opentelemetry/proto/common/v1/common.proto and resource.proto.
// The door of whoever writes another kind of OTLP; what writes the bytes comes along.
export * from "../proto-writer.ts";
export {
  toAttributes as attributesAsJson,
  toField as fieldAsJson,
  toNanos as nanosAsJson,
  toScope as scopeAsJson,
  toText as textAsJson,
  toValue as valueAsJson,
} from "./encode-json.ts";

// Resources and scopes live as long as the process, and so do their bytes.
const resourceBytes = new WeakMap<Resource, Uint8Array>();
const scopeBytes = new WeakMap<Scope, Uint8Array>();

/** A Resource message, made once for each. Asked for before anything else is written, for it is made in the same buffer. */
export function encodeResource(resource: Resource): Uint8Array {
  let encoded = resourceBytes.get(resource);
  if (encoded === undefined) {
    encoded = takeBytes(writeAttributes(0, 0x0a, resource.attributes));
    resourceBytes.set(resource, encoded);
  }
  return encoded;
}

/** An InstrumentationScope message, made once for each, before anything else is written. */
export function encodeScope(scope: Scope): Uint8Array {
  let encoded = scopeBytes.get(scope);
  if (encoded === undefined) {
    encoded = takeBytes(writeText(writeText(0, 0x0a, scope.name), 0x12, scope.version));
    scopeBytes.set(scope, encoded);
  }
  return encoded;
}

/** Attributes as repeated KeyValue fields, from that index on. */
export function writeAttributes(at: number, tag: number, attributes: FlatAttributes, from = 0): number {
  let place = at;
  for (let index = from; index < attributes.length; index += 2) {
    place = writeKeyValue(place, tag, attributes[index] as string, attributes[index + 1]!);
  }
  return place;
}

function writeKeyValue(at: number, tag: number, key: string, value: AttributeValue): number {
  const known = keyFields.get(key);
  if (known !== undefined) {
    let place: number | undefined;
    if (typeof value === "string") place = writeShortText(at, tag, known, value);
    else if (typeof value === "number") place = writeSmallNumber(at, tag, known, value);
    if (place !== undefined) return place;
  }
  const start = openMessage(at, tag, smallRoom);
  const place = known === undefined ? writeKey(start, key) : writeRaw(start, known);
  return closeMessage(start, writeValue(place, 0x12, value), smallRoom);
}

/** A text in ASCII, as nearly all are. Undefined for any other. */
function writeShortText(at: number, tag: number, key: Uint8Array, text: string): number | undefined {
  const { length } = text;
  if (length > 40) return undefined;
  const place = beginShort(at, tag, key, length + 2);
  if (place === undefined) return undefined;
  const target = bytes;
  target[place] = 0x0a;
  target[place + 1] = length;
  const start = place + 2;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return undefined;
    target[start + index] = code;
  }
  return start + length;
}

/** A whole number from 0 to 2^14, such as a status or a low port. Undefined for any other. */
function writeSmallNumber(at: number, tag: number, key: Uint8Array, value: number): number | undefined {
  if (value >>> 0 !== value || value >= 0x4000) return undefined;
  const isByte = value < 0x80;
  const place = beginShort(at, tag, key, isByte ? 2 : 3);
  if (place === undefined) return undefined;
  const target = bytes;
  target[place] = 0x18;
  target[place + 1] = isByte ? value : (value & 0x7f) | 0x80;
  if (isByte) return place + 2;
  target[place + 2] = value >>> 7;
  return place + 3;
}

/**
 * Begins an attribute whose lengths take one byte each, in one go, and returns where its value of `size` bytes belongs. Undefined for
 * one that is longer.
 */
function beginShort(at: number, tag: number, key: Uint8Array, size: number): number | undefined {
  const whole = key.length + 2 + size;
  if (whole >= 0x80) return undefined;
  ensureRoom(at, whole);
  const target = bytes;
  target[at] = tag;
  target[at + 1] = whole;
  target.set(key, at + 2);
  const place = at + 2 + key.length;
  target[place] = 0x12;
  target[place + 1] = size;
  return place + 2;
}

// Programs have a few dozen keys, and write each of them again and again: copying a field is cheaper than writing it.
const keyFields = new Map<string, Uint8Array>();
const maxKeys = 1024;
const maxKeyChars = 128;

function writeKey(at: number, key: string): number {
  const place = writeText(at, 0x0a, key);
  if (key.length <= maxKeyChars) {
    if (keyFields.size >= maxKeys) keyFields.clear();
    keyFields.set(key, Uint8Array.from(bytes.subarray(at, place)));
  }
  return place;
}

/** An AnyValue. */
export function writeValue(at: number, tag: number, value: AttributeValue): number {
  const start = openMessage(at, tag, smallRoom);
  return closeMessage(start, writeContent(start, value), smallRoom);
}

function writeContent(at: number, value: AttributeValue): number {
  switch (typeof value) {
    case "string":
      // Unlike other fields it is written when it is empty: an empty text is not "no value".
      return writeString(at, 0x0a, value);
    case "boolean":
      bytes[at] = 0x10;
      bytes[at + 1] = value ? 1 : 0;
      return at + 2;
    case "number":
      if (Number.isSafeInteger(value)) {
        bytes[at] = 0x18;
        return writeInt64(at + 1, value);
      }
      bytes[at] = 0x21;
      return writeDouble(at + 1, value);
    case "bigint":
      bytes[at] = 0x18;
      return writeInt64(at + 1, value);
    default:
      if (value === null) return at;
      if (value instanceof Uint8Array) return writeBytes(at, 0x3a, value);
      return isList(value) ? writeList(at, value) : writeMap(at, value);
  }
}

type AttributeMap = { readonly [key: string]: AttributeValue };

function isList(value: readonly AttributeValue[] | AttributeMap): value is readonly AttributeValue[] {
  return Array.isArray(value);
}

function writeList(at: number, values: readonly AttributeValue[]): number {
  const start = openMessage(at, 0x2a, smallRoom);
  let place = start;
  for (const value of values) place = writeValue(place, 0x0a, value);
  return closeMessage(start, place, smallRoom);
}

function writeMap(at: number, values: AttributeMap): number {
  const start = openMessage(at, 0x32, smallRoom);
  let place = start;
  for (const key of Object.keys(values)) place = writeKeyValue(place, 0x0a, key, values[key]!);
  return closeMessage(start, place, smallRoom);
}

/** A string field with its tag; nothing when it is empty, as proto3 has it. */
export function writeText(at: number, tag: number, text: string): number {
  return text === "" ? at : writeString(at, tag, text);
}

/** A counter with its tag; nothing when it is zero. */
export function writeCount(at: number, tag: number, count: number): number {
  if (count === 0) return at;
  bytes[at] = tag;
  return writeVarint(at + 1, count);
}
