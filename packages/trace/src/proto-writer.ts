/**
 * Protobuf, written front to back in one pass into one buffer that grows. The length of a message stands before its content and is
 * known after it: so room is left for it, as many bytes as it will most likely take, and when it takes another number the content
 * is moved.
 *
 *     4a  __  0a 03 61 62 63 12 ...
 *      |   |   '- openMessage returns this place
 *      |   '----- closeMessage writes here, when all behind it is written
 *      '--------- the tag
 *
 * Every writer takes the place where it writes and returns the place behind. There is one buffer because encoding never waits.
 */

const TWO_32 = 4294967296;

/** More than any field without a text takes: whoever has checked for a text may write these without a look. */
const slack = 64;

/** A buffer to write into. */
export class Target {
  readonly bytes: Buffer<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly limit: number;

  constructor(size: number) {
    const bytes = Buffer.allocUnsafeSlow(size);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, size);
    this.limit = size - slack;
  }
}

const targetBytes = 65_536;
let target = new Target(targetBytes);

/** What is written into. A writer that was called may have put a larger one in its place: look again after each. */
export let bytes: Buffer<ArrayBuffer> = target.bytes;
let { view, limit } = target;

/** From now on everything is written there. Returns where it was written so far. */
export function writeInto(next: Target): Target {
  const before = target;
  target = next;
  bytes = next.bytes;
  view = next.view;
  limit = next.limit;
  return before;
}

/** A buffer that grew beyond this is not kept: one batch of huge spans must not cost its size for ever. */
const keptBytes = 4 * 1024 * 1024;

/** What was written up to `end`, in a buffer of the caller's. */
export function takeBytes(end: number): Buffer<ArrayBuffer> {
  const taken = Buffer.allocUnsafeSlow(end);
  bytes.copy(taken, 0, 0, end);
  if (bytes.length > keptBytes) writeInto(new Target(targetBytes));
  return taken;
}

/** Makes sure that `size` bytes and a small field fit. */
export function ensureRoom(at: number, size: number): void {
  if (at + size > limit) grow(at, size);
}

function grow(at: number, size: number): void {
  const larger = new Target(Math.max(2 * bytes.length, at + size + slack));
  bytes.copy(larger.bytes, 0, 0, at);
  writeInto(larger);
}

/** Bytes of a varint below 2^32. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes a varint below 2^32. */
export function writeVarint(at: number, value: number): number {
  let rest = value;
  let place = at;
  while (rest >= 0x80) {
    bytes[place++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[place++] = rest;
  return place;
}

/** How many bytes the length takes, as a rule: of an attribute, an event or a link, of a span, of a batch of spans. */
export const smallRoom = 1;
export const spanRoom = 2;
export const batchRoom = 3;

/** Writes the tag of a message, leaves room for its length, and returns where its content starts. */
export function openMessage(at: number, tag: number, room: number): number {
  ensureRoom(at, 0);
  bytes[at] = tag;
  return at + 1 + room;
}

/**
 * Writes the length of a message that begins at `start`, with `room` bytes left before it, and ends at `end`. Returns the place
 * behind the message, which is another one when the length took more or less than its room.
 */
export function closeMessage(start: number, end: number, room: number): number {
  const size = end - start;
  const need = varintSize(size);
  if (need !== room) {
    ensureRoom(end, need);
    bytes.copyWithin(start + need - room, start, end);
  }
  writeVarint(start - room, size);
  return end + need - room;
}

/** Writes a whole number as an int64 varint, negative ones in two's complement. */
export function writeInt64(at: number, value: number | bigint): number {
  let low: number;
  let high: number;
  if (typeof value === "number") {
    low = value >>> 0;
    high = Math.floor(value / TWO_32) >>> 0;
  } else {
    low = Number(BigInt.asUintN(32, value));
    high = Number(BigInt.asUintN(32, value >> 32n));
  }
  let place = at;
  while (high > 0) {
    bytes[place++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  return writeVarint(place, low);
}

/** Writes a string with its tag and length, in UTF-8; half a surrogate pair becomes U+FFFD. */
export function writeString(at: number, tag: number, text: string): number {
  const { length } = text;
  ensureRoom(at, 3 * length);
  bytes[at] = tag;
  // As if it were ASCII, which nearly all are.
  const place = writeVarint(at + 1, length);
  // The way into C++ costs as much as 40 characters written here.
  if (length > 40) return writeLongString(at, place, text);
  const target = bytes;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return writeLongString(at, place, text);
    target[place + index] = code;
  }
  return place + length;
}

function writeLongString(at: number, place: number, text: string): number {
  const size = bytes.write(text, place, "utf8");
  return closeMessage(place, place + size, place - at - 1);
}

/** Writes bytes with their tag and length. */
export function writeBytes(at: number, tag: number, content: Uint8Array): number {
  ensureRoom(at, content.length);
  bytes[at] = tag;
  const place = writeVarint(at + 1, content.length);
  bytes.set(content, place);
  return place + content.length;
}

/** Writes bytes that are whole fields. */
export function writeRaw(at: number, fields: Uint8Array): number {
  ensureRoom(at, fields.length);
  bytes.set(fields, at);
  return at + fields.length;
}

// The value of each hex digit, by its character code.
const digits = new Uint8Array(128);
for (let value = 0; value < 16; value++) {
  digits[value.toString(16).charCodeAt(0)] = value;
  digits[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Writes the bytes of a hex string with their tag and length. */
export function writeHex(at: number, tag: number, hex: string): number {
  bytes[at] = tag;
  bytes[at + 1] = hex.length >> 1;
  return writeHexDigits(at + 2, hex);
}

/** Writes the bytes of a hex string. */
export function writeHexDigits(at: number, hex: string): number {
  const size = hex.length >> 1;
  const target = bytes;
  for (let index = 0; index < size; index++) {
    const high = digits[hex.charCodeAt(2 * index) & 0x7f]!;
    target[at + index] = (high << 4) | digits[hex.charCodeAt(2 * index + 1) & 0x7f]!;
  }
  return at + size;
}

/** Writes a double. */
export function writeDouble(at: number, value: number): number {
  view.setFloat64(at, value, true);
  return at + 8;
}

/** Writes a fixed32. */
export function writeFixed32(at: number, value: number): number {
  view.setUint32(at, value, true);
  return at + 4;
}

/**
 * Writes microseconds, a double, as a fixed64 of nanoseconds. In two halves: a BigInt would be the only object of a span. Without `%`,
 * which is a call into C for doubles; a division by a power of two is exact.
 */
export function writeNanos(at: number, us: number): number {
  const whole = Math.floor(us);
  const upper = Math.floor(whole / TWO_32);
  const low = (whole - upper * TWO_32) * 1000 + Math.round((us - whole) * 1000);
  const carry = Math.floor(low / TWO_32);
  view.setUint32(at, low - carry * TWO_32, true);
  view.setUint32(at + 4, upper * 1000 + carry, true);
  return at + 8;
}
