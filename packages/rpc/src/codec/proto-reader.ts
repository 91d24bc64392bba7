import type { UnknownField } from "@bufbuild/protobuf";
import { viewAsBuffer } from "./buffer-view.ts";
import { depthLimit } from "./depth-limit.ts";
import { doubles, floats, highWord, lowWord, signed, unsigned, words } from "./number-words.ts";
import { wireType } from "./wire-type.ts";

// What generated decoders call. They keep the position in a variable of their own and hand it over in `position` around a call.

const latin1Bytes = 64 * 1024;
// Less than this is copied in any case: it costs about as much as a view.
const leastViewBytes = 4096;

/** A message's bytes and how far they were read. */
export class ProtoReader {
  readonly bytes: Buffer;
  position = 0;
  readonly #isOwned: boolean;
  #hasReadText = false;
  #latin1: string | undefined;

  /** `isOwned` when nobody will change the bytes: then the message may show parts of them. */
  constructor(bytes: Uint8Array, isOwned = false) {
    this.bytes = viewAsBuffer(bytes);
    this.#isOwned = isOwned;
  }

  /** A number of at most 64 bits, of which the lower 32 are returned. */
  varint32(): number {
    const bytes = this.bytes;
    let at = this.position;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.position = at;
        return value >>> 0;
      }
    }
    let byte = bytes[at++]!;
    value |= (byte & 0x0f) << 28;
    for (let size = 5; byte >= 0x80; size++) {
      if (size === 10) throw malformed("a number takes more than ten bytes");
      byte = bytes[at++]!;
    }
    // Past the end there is undefined, which is not below 0x80 and not above.
    if (byte === undefined) throw truncated();
    this.position = at;
    return value >>> 0;
  }

  /** A number of 64 bits, in `lowBits` and `highBits`. */
  varint64(): void {
    const bytes = this.bytes;
    let at = this.position;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.position = at;
        words[lowWord] = low;
        words[highWord] = 0;
        return;
      }
    }
    let byte = bytes[at++]!;
    low |= (byte & 0x0f) << 28;
    high = (byte & 0x70) >> 4;
    for (let shift = 3; byte >= 0x80; shift += 7) {
      if (shift > 31) throw malformed("a number takes more than ten bytes");
      byte = bytes[at++]!;
      high |= (byte & 0x7f) << shift;
    }
    if (byte === undefined) throw truncated();
    this.position = at;
    words[lowWord] = low;
    words[highWord] = high;
  }

  /** A tag of more than one byte. */
  tag(): number {
    const start = this.position;
    const tag = this.varint32();
    const size = this.position - start;
    if (size > 5 || (size === 5 && this.bytes[this.position - 1]! > 0x0f)) {
      throw malformed("a field's tag takes more than 32 bits");
    }
    return tag;
  }

  int32(): number {
    return this.varint32() | 0;
  }

  sint32(): number {
    const value = this.varint32();
    return (value >>> 1) ^ -(value & 1);
  }

  bool(): boolean {
    this.varint64();
    return words[0] !== 0 || words[1] !== 0;
  }

  int64(): bigint {
    this.varint64();
    return signed[0]!;
  }

  uint64(): bigint {
    this.varint64();
    return unsigned[0]!;
  }

  sint64(): bigint {
    this.varint64();
    const low = words[lowWord]!;
    const high = words[highWord]!;
    const sign = -(low & 1);
    words[lowWord] = ((low >>> 1) | (high << 31)) ^ sign;
    words[highWord] = (high >>> 1) ^ sign;
    return signed[0]!;
  }

  fixed32(): number {
    return this.#word() >>> 0;
  }

  sfixed32(): number {
    return this.#word();
  }

  fixed64(): bigint {
    this.#twoWords();
    return unsigned[0]!;
  }

  sfixed64(): bigint {
    this.#twoWords();
    return signed[0]!;
  }

  double(): number {
    this.#twoWords();
    return doubles[0]!;
  }

  float(): number {
    words[0] = this.#word();
    return floats[0]!;
  }

  #word(): number {
    const at = this.position;
    const bytes = this.bytes;
    this.position = at + 4;
    if (at + 4 > bytes.length) throw truncated();
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }

  #twoWords(): void {
    words[lowWord] = this.#word();
    words[highWord] = this.#word();
  }

  /** Where that ends which begins with its length here. */
  delimited(end: number): number {
    const size = this.varint32();
    const stop = this.position + size;
    if (stop > end) throw truncated();
    return stop;
  }

  /** Text of which bad bytes are refused. */
  string(end: number): string {
    const stop = this.delimited(end);
    const start = this.position;
    this.position = stop;
    if (stop - start < 13) return this.#shortText(start, stop);
    const text = this.bytes.toString(undefined, start, stop);
    // What is not UTF-8 reads as U+FFFD: without one there is nothing to look for.
    if (text.includes("\ufffd")) requireUtf8(this.bytes, start, stop);
    return text;
  }

  // A call into C++ costs 50 to 90 ns whatever the length. The first short text of a message is put together here (30 ns);
  // for the others all of its bytes become text at once, of which they are parts (10 ns). V8 copies parts of up to twelve
  // characters; longer ones would keep the whole.
  #shortText(start: number, end: number): string {
    const bytes = this.bytes;
    let isAscii = true;
    for (let at = start; at < end; at++) if (bytes[at]! > 0x7f) isAscii = false;
    if (!isAscii) {
      const text = bytes.toString(undefined, start, end);
      if (text.includes("\ufffd")) requireUtf8(bytes, start, end);
      return text;
    }
    if (this.#latin1 !== undefined) return this.#latin1.slice(start, end);
    if (this.#hasReadText && bytes.length <= latin1Bytes) {
      this.#latin1 = bytes.toString("latin1");
      return this.#latin1.slice(start, end);
    }
    this.#hasReadText = true;
    let text = "";
    let at = start;
    for (; at + 4 <= end; at += 4)
      text += String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
    for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
    return text;
  }

  /** Text of which bad bytes become U+FFFD. */
  looseString(end: number): string {
    const stop = this.delimited(end);
    const start = this.position;
    this.position = stop;
    return this.bytes.toString(undefined, start, stop);
  }

  blob(end: number): Uint8Array {
    const stop = this.delimited(end);
    const start = this.position;
    this.position = stop;
    const size = stop - start;
    if (this.#isOwned && size >= leastViewBytes) {
      const { buffer, byteOffset } = this.bytes;
      // A view keeps the whole buffer alive: no more than twice of what is looked at.
      if (2 * size >= buffer.byteLength) return new Uint8Array(buffer, byteOffset + start, size);
    }
    return copy(this.bytes, start, stop);
  }

  /** A field that the message does not have, after its tag. */
  unknown(tag: number, end: number, depth: number): UnknownField {
    const start = this.position;
    this.skip(tag, end, depth);
    return { no: tag >>> 3, wireType: tag & 7, data: copy(this.bytes, start, this.position) };
  }

  /** Passes over a field's value. */
  skip(tag: number, end: number, depth: number): void {
    if (tag >>> 3 === 0) throw malformed("a field has the number 0");
    switch (tag & 7) {
      case wireType.varint:
        this.varint64();
        break;
      case wireType.bit64:
        this.position += 8;
        break;
      case wireType.lengthDelimited:
        this.position = this.delimited(end);
        break;
      case wireType.startGroup:
        this.#skipGroup(tag + 1, end, depth + 1);
        break;
      case wireType.bit32:
        this.position += 4;
        break;
      default:
        throw malformed(`a field has the wire type ${tag & 7}, which has no meaning there`);
    }
    if (this.position > end) throw truncated();
  }

  #skipGroup(endTag: number, end: number, depth: number): void {
    if (depth > depthLimit) throw tooDeep();
    while (this.position < end) {
      const tag = this.tag();
      if (tag === endTag) return;
      this.skip(tag, end, depth);
    }
    throw truncated();
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function requireUtf8(bytes: Buffer, start: number, end: number): void {
  try {
    strictUtf8.decode(bytes.subarray(start, end));
  } catch (error) {
    throw malformed("a string is not UTF-8", error);
  }
}

/** The unknown field for a value that a closed enum does not have. */
export function unknownEnum(no: number, value: number): UnknownField {
  return { no, wireType: 0, data: Uint8Array.from(varintBytes(value)) };
}

function* varintBytes(value: number): Generator<number> {
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) yield Number(rest & 0x7fn) | 0x80;
  yield Number(rest);
}

function copy(bytes: Buffer, start: number, end: number): Uint8Array {
  const own = new Uint8Array(end - start);
  own.set(bytes.subarray(start, end));
  return own;
}

export function malformed(problem: string, cause?: unknown): Error {
  return new Error(`cannot decode from binary: ${problem}`, { cause });
}

export function truncated(): Error {
  return malformed("a value ends after its message does");
}

export function tooDeep(): Error {
  return malformed(`messages are nested more than ${depthLimit} deep`);
}
