import type { UnknownField } from "@bufbuild/protobuf";
import { doubles, floats, highWord, lowWord, signed, words } from "./number-words.ts";
import { tagOf } from "./wire-type.ts";

// What generated encoders call. A message is written from its last byte to its first, so that a length is known when it is
// written and nothing is measured or moved. Each function writes before `at` and returns where it began.

type Bytes = Buffer;

/** Thrown when a message does not fit; it is written again with more room. Not an Error: nobody sees it, and a stack costs. */
export const full: unique symbol = Symbol("full");

/** As much room as any tag, length or number needs together. Generated code checks for it once for each field. */
export const roomBytes = 24;

const slabBytes = 16 * 1024;
let slab: Bytes = Buffer.allocUnsafeSlow(slabBytes);
let slabEnd = slabBytes;

// How much was missing when a string or bytes did not fit; 0 when that is not known.
let missingBytes = 0;

type Write<T> = (message: T, bytes: Bytes, at: number) => number;

/**
 * Bytes written by `write`, with `prefixBytes` unwritten bytes before them.
 *
 * Small messages share a slab that fills from its end, and never share a byte; a large one has its own.
 *
 *     ┌───────────────┬───────────┬───────────┬───────────┐
 *     │ free          │ message 3 │ message 2 │ message 1 │
 *     └───────────────┴───────────┴───────────┴───────────┘
 */
export function writeBytes<T>(write: Write<T>, message: T, prefixBytes: number): Uint8Array {
  const end = slabEnd;
  const start = tryWrite(write, message, slab, end, prefixBytes);
  if (start < 0) return writeInNewSlab(write, message, prefixBytes, end);
  slabEnd = start;
  return slab.subarray(start, end);
}

function writeInNewSlab<T>(write: Write<T>, message: T, prefixBytes: number, triedBytes: number): Uint8Array {
  for (let size = triedBytes; ; ) {
    size = Math.max(slabBytes, missingBytes === 0 ? 2 * size : size + missingBytes + prefixBytes + 1024);
    const bytes = Buffer.allocUnsafeSlow(size);
    const start = tryWrite(write, message, bytes, size, prefixBytes);
    if (start < 0) continue;
    if (size === slabBytes) {
      slab = bytes;
      slabEnd = start;
    } else if (start > size / 4) {
      // What was allocated in vain would be kept as long as the message.
      const own = Buffer.allocUnsafeSlow(size - start);
      own.set(bytes.subarray(start));
      return own;
    }
    return bytes.subarray(start, size);
  }
}

// Where the prefix begins, or -1 when there is not room enough.
function tryWrite<T>(write: Write<T>, message: T, bytes: Bytes, end: number, prefixBytes: number): number {
  missingBytes = 0;
  try {
    return Math.max(write(message, bytes, end) - prefixBytes, -1);
  } catch (error) {
    if (error !== full) throw error;
    return -1;
  }
}

/** An unsigned number of 32 bits. */
export function writeVarint32(bytes: Bytes, at: number, value: number): number {
  if (value < 0x80) {
    bytes[--at] = value;
    return at;
  }
  if (value < 0x4000) {
    bytes[--at] = value >>> 7;
    bytes[--at] = (value & 0x7f) | 0x80;
    return at;
  }
  let size = value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
  const start = at - size;
  let next = start;
  while (--size > 0) {
    bytes[next++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[next] = value;
  return start;
}

/** An unsigned number of 64 bits. */
function writeVarint64(bytes: Bytes, at: number, low: number, high: number): number {
  if (high === 0) return writeVarint32(bytes, at, low);
  let size = 5;
  // Bits 32 to 34 are in the fifth byte.
  for (let rest = high >>> 3; rest > 0; rest >>>= 7) size++;
  const start = at - size;
  let next = start;
  for (let i = 1; i < size; i++) {
    bytes[next++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[next] = low;
  return start;
}

function invalid(field: string, type: string, value: unknown): Error {
  const given = typeof value === "string" ? JSON.stringify(value) : typeof value === "bigint" ? `${value}n` : value;
  return new Error(`cannot encode field ${field} to binary: invalid ${type}: ${String(given)}`);
}

export function writeInt32(bytes: Bytes, at: number, value: number, field: string): number {
  if (value !== (value | 0)) throw invalid(field, "int32", value);
  // A negative number takes ten bytes: its sign is extended to 64 bits.
  return value >= 0 ? writeVarint32(bytes, at, value) : writeVarint64(bytes, at, value >>> 0, 0xffffffff);
}

export function writeUint32(bytes: Bytes, at: number, value: number, field: string): number {
  if (value !== value >>> 0) throw invalid(field, "uint32", value);
  return writeVarint32(bytes, at, value);
}

export function writeSint32(bytes: Bytes, at: number, value: number, field: string): number {
  if (value !== (value | 0)) throw invalid(field, "sint32", value);
  return writeVarint32(bytes, at, ((value << 1) ^ (value >> 31)) >>> 0);
}

export function writeFixed32(bytes: Bytes, at: number, value: number, field: string): number {
  if (value !== value >>> 0) throw invalid(field, "fixed32", value);
  return writeWord(bytes, at, value);
}

export function writeSfixed32(bytes: Bytes, at: number, value: number, field: string): number {
  if (value !== (value | 0)) throw invalid(field, "sfixed32", value);
  return writeWord(bytes, at, value);
}

function writeWord(bytes: Bytes, at: number, value: number): number {
  bytes[--at] = value >>> 24;
  bytes[--at] = (value >>> 16) & 0xff;
  bytes[--at] = (value >>> 8) & 0xff;
  bytes[--at] = value & 0xff;
  return at;
}

const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;
const uint64Max = 2n ** 64n - 1n;

// Puts the value into `words`.
function splitInt64(value: bigint | string | number, field: string, type: string, min: bigint, max: bigint): void {
  let exact: bigint;
  if (typeof value === "bigint") exact = value;
  else {
    if (typeof value !== "number" && !(typeof value === "string" && /^-?[0-9]+$/.test(value))) {
      throw invalid(field, type, value);
    }
    if (typeof value === "number" && !Number.isInteger(value)) throw invalid(field, type, value);
    exact = BigInt(value);
  }
  if (exact < min || exact > max) throw invalid(field, type, value);
  signed[0] = exact;
}

export function writeInt64(bytes: Bytes, at: number, value: bigint | string | number, field: string): number {
  splitInt64(value, field, "int64", int64Min, int64Max);
  return writeVarint64(bytes, at, words[lowWord]!, words[highWord]!);
}

export function writeUint64(bytes: Bytes, at: number, value: bigint | string | number, field: string): number {
  splitInt64(value, field, "uint64", 0n, uint64Max);
  return writeVarint64(bytes, at, words[lowWord]!, words[highWord]!);
}

export function writeSint64(bytes: Bytes, at: number, value: bigint | string | number, field: string): number {
  splitInt64(value, field, "sint64", int64Min, int64Max);
  const low = words[lowWord]!;
  const high = words[highWord]!;
  const sign = high & 0x80000000 ? 0xffffffff : 0;
  return writeVarint64(bytes, at, ((low << 1) ^ sign) >>> 0, (((high << 1) | (low >>> 31)) ^ sign) >>> 0);
}

export function writeFixed64(bytes: Bytes, at: number, value: bigint | string | number, field: string): number {
  splitInt64(value, field, "fixed64", 0n, uint64Max);
  return writeWord(bytes, writeWord(bytes, at, words[highWord]!), words[lowWord]!);
}

export function writeSfixed64(bytes: Bytes, at: number, value: bigint | string | number, field: string): number {
  splitInt64(value, field, "sfixed64", int64Min, int64Max);
  return writeWord(bytes, writeWord(bytes, at, words[highWord]!), words[lowWord]!);
}

export function writeDouble(bytes: Bytes, at: number, value: number, field: string): number {
  if (typeof value !== "number") throw invalid(field, "double", value);
  doubles[0] = value;
  return writeWord(bytes, writeWord(bytes, at, words[highWord]!), words[lowWord]!);
}

export function writeFloat(bytes: Bytes, at: number, value: number, field: string): number {
  if (typeof value !== "number") throw invalid(field, "float", value);
  floats[0] = value;
  if (!Number.isFinite(floats[0]) && Number.isFinite(value)) throw invalid(field, "float", value);
  return writeWord(bytes, at, words[0]!);
}

export function writeBool(bytes: Bytes, at: number, value: boolean): number {
  bytes[--at] = value ? 1 : 0;
  return at;
}

function lacking(bytes: number): typeof full {
  missingBytes = bytes;
  return full;
}

/** Its length and itself. */
export function writeString(bytes: Bytes, at: number, value: string, field: string): number {
  if (typeof value !== "string") throw invalid(field, "string", value);
  const length = value.length;
  if (length < 32) {
    if (at < length + roomBytes) throw lacking(length + roomBytes - at);
    let next = at;
    let index = length;
    for (; index > 0; index--) {
      const code = value.charCodeAt(index - 1);
      if (code > 0x7f) break;
      bytes[--next] = code;
    }
    if (index === 0) {
      bytes[--next] = length;
      return next;
    }
  }
  const size = Buffer.byteLength(value);
  const start = at - size;
  if (start < roomBytes) throw lacking(roomBytes - start);
  bytes.write(value, start, size);
  return writeVarint32(bytes, start, size);
}

/** Its length and itself. */
export function writeBlob(bytes: Bytes, at: number, value: Uint8Array, field: string): number {
  if (!(value instanceof Uint8Array)) throw invalid(field, "bytes", value);
  const start = at - value.length;
  if (start < roomBytes) throw lacking(roomBytes - start);
  bytes.set(value, start);
  return writeVarint32(bytes, start, value.length);
}

/** Fields that the reader of a message did not know. */
export function writeUnknown(bytes: Bytes, at: number, fields: readonly UnknownField[]): number {
  for (let i = fields.length - 1; i >= 0; i--) {
    const { no, wireType, data } = fields[i]!;
    at -= data.length;
    if (at < roomBytes) throw lacking(roomBytes - at);
    bytes.set(data, at);
    at = writeVarint32(bytes, at, tagOf(no, wireType));
  }
  return at;
}

export function wrongMessage(expected: string, given: unknown): Error {
  return new Error(`cannot encode message ${expected}: given ${String(given)}`);
}

export function requiredMissing(field: string): Error {
  return new Error(`cannot encode field ${field} to binary: required field not set`);
}
