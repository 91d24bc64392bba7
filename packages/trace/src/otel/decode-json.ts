import { MalformedError } from "../proto-reader.ts";

/**
 * Turns an OTLP/JSON request into the protobuf bytes that say the same, so that everything behind has one form to read. The
 * mapping is OTLP's, not protobuf's: ids are hex in either case, enums are integers, 64-bit integers are strings or numbers,
 * other bytes are base64, and unknown fields are ignored. An id that is not hex becomes an empty one, which
 * {@link decodeRequest} rejects for its span alone. Throws {@link MalformedError} naming the place for anything else.
 */
export function encodeJsonRequest(json: string): Uint8Array {
  let request: unknown;
  try {
    request = JSON.parse(json);
  } catch (error) {
    throw new MalformedError(-1, `not JSON: ${(error as Error).message}`);
  }
  const writer = new Writer();
  writeFields(writer, EXPORT_REQUEST, request, "request");
  return writer.finish();
}

type Write = (writer: Writer, field: number, value: unknown, path: string) => void;

/** A message: JSON name -> field number and how to write one value. */
type Shape = Record<string, readonly [field: number, write: Write]>;

function writeFields(writer: Writer, shape: Shape, value: unknown, path: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(path, "an object", value);
  for (const [name, inner] of Object.entries(value)) {
    if (inner === null || !Object.hasOwn(shape, name)) continue;
    const [field, write] = shape[name]!;
    write(writer, field, inner, `${path}.${name}`);
  }
}

function wrong(path: string, expected: string, given: unknown): MalformedError {
  const shown = JSON.stringify(given) ?? String(given);
  return new MalformedError(
    -1,
    `${path} must be ${expected}, not ${shown.length > 40 ? `${shown.slice(0, 40)}...` : shown}`,
  );
}

// A shape may hold itself (AnyValue), so it is named by a function.
function message(shape: () => Shape): Write {
  return (writer, field, value, path) => {
    const mark = writer.open(field);
    writeFields(writer, shape(), value, path);
    writer.close(mark);
  };
}

function repeated(write: Write): Write {
  return (writer, field, value, path) => {
    if (!Array.isArray(value)) throw wrong(path, "an array", value);
    for (const [index, one] of value.entries()) write(writer, field, one, `${path}[${index}]`);
  };
}

const string: Write = (writer, field, value, path) => {
  if (typeof value !== "string") throw wrong(path, "a string", value);
  writer.bytes(field, Buffer.from(value));
};

const hex: Write = (writer, field, value, path) => {
  if (typeof value !== "string") throw wrong(path, "hex digits", value);
  writer.bytes(field, /^(?:[0-9a-f]{2})*$/i.test(value) ? Buffer.from(value, "hex") : new Uint8Array(0));
};

const base64: Write = (writer, field, value, path) => {
  if (typeof value !== "string") throw wrong(path, "base64", value);
  writer.bytes(field, Buffer.from(value, "base64"));
};

const bool: Write = (writer, field, value, path) => {
  if (typeof value !== "boolean") throw wrong(path, "true or false", value);
  writer.varint(field, value ? 1n : 0n);
};

const varint: Write = (writer, field, value, path) => writer.varint(field, toBigInt(value, path));

const fixed64: Write = (writer, field, value, path) => writer.fixed64(field, toBigInt(value, path));

const fixed32: Write = (writer, field, value, path) => writer.fixed32(field, Number(toBigInt(value, path)));

const double: Write = (writer, field, value, path) => {
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number !== "number" || value === "" || (Number.isNaN(number) && value !== "NaN")) {
    throw wrong(path, "a number", value);
  }
  writer.double(field, number);
};

function toBigInt(value: unknown, path: string): bigint {
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  throw wrong(path, "an integer", value);
}

const ANY_VALUE: Shape = {
  stringValue: [1, string],
  boolValue: [2, bool],
  intValue: [3, varint],
  doubleValue: [4, double],
  arrayValue: [5, message(() => ({ values: [1, repeated(message(() => ANY_VALUE))] }))],
  kvlistValue: [6, message(() => ({ values: [1, attributes] }))],
  bytesValue: [7, base64],
};
const KEY_VALUE: Shape = { key: [1, string], value: [2, message(() => ANY_VALUE)] };
const attributes: Write = repeated(message(() => KEY_VALUE));
const EVENT: Shape = {
  timeUnixNano: [1, fixed64],
  name: [2, string],
  attributes: [3, attributes],
  droppedAttributesCount: [4, varint],
};
const LINK: Shape = {
  traceId: [1, hex],
  spanId: [2, hex],
  traceState: [3, string],
  attributes: [4, attributes],
  droppedAttributesCount: [5, varint],
  flags: [6, fixed32],
};
const STATUS: Shape = { message: [2, string], code: [3, varint] };
const SPAN: Shape = {
  traceId: [1, hex],
  spanId: [2, hex],
  traceState: [3, string],
  parentSpanId: [4, hex],
  name: [5, string],
  kind: [6, varint],
  startTimeUnixNano: [7, fixed64],
  endTimeUnixNano: [8, fixed64],
  attributes: [9, attributes],
  droppedAttributesCount: [10, varint],
  events: [11, repeated(message(() => EVENT))],
  droppedEventsCount: [12, varint],
  links: [13, repeated(message(() => LINK))],
  droppedLinksCount: [14, varint],
  status: [15, message(() => STATUS)],
  flags: [16, fixed32],
};
const SCOPE: Shape = {
  name: [1, string],
  version: [2, string],
  attributes: [3, attributes],
  droppedAttributesCount: [4, varint],
};
const SCOPE_SPANS: Shape = {
  scope: [1, message(() => SCOPE)],
  spans: [2, repeated(message(() => SPAN))],
  schemaUrl: [3, string],
};
const RESOURCE: Shape = { attributes: [1, attributes], droppedAttributesCount: [2, varint] };
const RESOURCE_SPANS: Shape = {
  resource: [1, message(() => RESOURCE)],
  scopeSpans: [2, repeated(message(() => SCOPE_SPANS))],
  schemaUrl: [3, string],
};
const EXPORT_REQUEST: Shape = { resourceSpans: [1, repeated(message(() => RESOURCE_SPANS))] };

// Far above what anybody sends and far below what the stack takes.
const MAX_DEPTH = 100;

/**
 * A growing buffer of protobuf fields. The length of a nested message is known only at its end, so five bytes are kept free
 * before it and its contents move up to the length that was needed: a JSON body is rare and has been parsed at ten times the
 * cost of this move.
 */
class Writer {
  #buffer: Buffer = Buffer.allocUnsafe(4096);
  #at = 0;
  #depth = 0;

  finish(): Uint8Array {
    // A copy of its own: the store may move the bytes to another thread.
    return new Uint8Array(this.#buffer.subarray(0, this.#at));
  }

  open(field: number): number {
    if (++this.#depth > MAX_DEPTH) throw new MalformedError(-1, `values nest more than ${MAX_DEPTH} deep`);
    this.#reserve(8);
    this.#number((field << 3) | 2);
    const mark = this.#at;
    this.#at += 5;
    return mark;
  }

  close(mark: number): void {
    const size = this.#at - mark - 5;
    const end = this.#at;
    this.#at = mark;
    this.#number(size);
    this.#buffer.copyWithin(this.#at, mark + 5, end);
    this.#at += size;
    this.#depth--;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length + 10);
    this.#number((field << 3) | 2);
    this.#number(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  varint(field: number, value: bigint): void {
    this.#reserve(13);
    this.#number(field << 3);
    let rest = BigInt.asUintN(64, value);
    for (; rest > 127n; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 127n) | 128;
    this.#buffer[this.#at++] = Number(rest);
  }

  fixed64(field: number, value: bigint): void {
    this.#reserve(11);
    this.#number((field << 3) | 1);
    this.#at = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.#at);
  }

  fixed32(field: number, value: number): void {
    this.#reserve(7);
    this.#number((field << 3) | 5);
    this.#at = this.#buffer.writeUInt32LE(value >>> 0, this.#at);
  }

  double(field: number, value: number): void {
    this.#reserve(11);
    this.#number((field << 3) | 1);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  #number(value: number): void {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#buffer[this.#at++] = (rest % 128) | 128;
    this.#buffer[this.#at++] = rest;
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + size));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
