/**
 * Protobuf primitives for an encoder that measures first and writes then. Each writer puts its bytes at a place and returns the
 * place behind them; nothing is checked, because the measuring has made the buffer exactly large enough.
 */

const TWO_32 = 4294967296;

/** Bytes of a varint below 2^32. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes a varint below 2^32. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let place = at;
  while (rest >= 0x80) {
    bytes[place++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[place++] = rest;
  return place;
}

/** Bytes of an int64 varint. */
export function int64Size(value: number | bigint): number {
  if (value < 0) return 10;
  let size = 1;
  if (typeof value === "number") for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  // Not by way of a number: it would round 2^63 - 1 up to one more byte.
  else for (let rest = value; rest >= 0x80n; rest >>= 7n) size++;
  return size;
}

/** Writes a whole number as an int64 varint, negative ones in two's complement. */
export function writeInt64(bytes: Uint8Array, at: number, value: number | bigint): number {
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
  return writeVarint(bytes, place, low);
}

/** Bytes of a string in UTF-8, where half a surrogate pair becomes U+FFFD. */
export function utf8Size(text: string): number {
  const { length } = text;
  let size = length;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    if (code < 0x800) size += 1;
    else if (code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) {
      // Two units, four bytes.
      size += 2;
      index++;
    } else size += 2;
  }
  return size;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}

/** Writes a string whose {@link utf8Size} is `size`. */
export function writeUtf8(bytes: Buffer, at: number, text: string, size: number): number {
  if (size !== text.length) bytes.write(text, at, "utf8");
  // The way into C++ costs as much as 50 characters written here.
  else if (size > 50) bytes.write(text, at, "latin1");
  else for (let index = 0; index < size; index++) bytes[at + index] = text.charCodeAt(index);
  return at + size;
}

// The value of each hex digit, by its character code.
const digits = new Uint8Array(128);
for (let value = 0; value < 16; value++) {
  digits[value.toString(16).charCodeAt(0)] = value;
  digits[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Writes the bytes of a hex string. */
export function writeHex(bytes: Uint8Array, at: number, hex: string): number {
  const size = hex.length >> 1;
  for (let index = 0; index < size; index++) {
    const high = digits[hex.charCodeAt(2 * index) & 0x7f]!;
    bytes[at + index] = (high << 4) | digits[hex.charCodeAt(2 * index + 1) & 0x7f]!;
  }
  return at + size;
}

/** Writes microseconds, a double, as a fixed64 of nanoseconds. In two halves: a BigInt would be the only object of a span. */
export function writeNanos(view: DataView, at: number, us: number): number {
  const whole = Math.floor(us);
  const low = (whole % TWO_32) * 1000 + Math.round((us - whole) * 1000);
  const high = Math.floor(whole / TWO_32) * 1000 + Math.floor(low / TWO_32);
  view.setUint32(at, low % TWO_32, true);
  view.setUint32(at + 4, high, true);
  return at + 8;
}
