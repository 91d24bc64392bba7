import { ProtocolError } from "../errors.ts";

/** Where a decoder is in a block. */
export interface Cursor {
  at: number;
  end: number;
}

/**
 * Writes an integer whose first `prefixBits` bits share their byte with `pattern` (RFC 7541 section 5.1). Returns where the
 * next byte goes; the caller has made room for six bytes.
 */
export function encodeInteger(
  bytes: Uint8Array,
  at: number,
  prefixBits: number,
  pattern: number,
  value: number,
): number {
  const max = (1 << prefixBits) - 1;
  if (value < max) {
    bytes[at] = pattern | value;
    return at + 1;
  }
  let position = at;
  bytes[position++] = pattern | max;
  let rest = value - max;
  while (rest >= 0x80) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/**
 * Reads an integer with a prefix of `prefixBits` bits and moves the cursor behind it.
 *
 * @throws ProtocolError COMPRESSION when it is cut off or over 2^28, which no string or index of a block can be.
 */
export function decodeInteger(bytes: Uint8Array, cursor: Cursor, prefixBits: number): number {
  if (cursor.at >= cursor.end) throw new ProtocolError("COMPRESSION", "an integer is cut off");
  const max = (1 << prefixBits) - 1;
  let value = bytes[cursor.at++]! & max;
  if (value < max) return value;
  for (let shift = 0; shift <= 21; shift += 7) {
    if (cursor.at >= cursor.end) throw new ProtocolError("COMPRESSION", "an integer is cut off");
    const byte = bytes[cursor.at++]!;
    value += (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new ProtocolError("COMPRESSION", "an integer is too large");
}
