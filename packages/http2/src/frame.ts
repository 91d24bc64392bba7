/**
 * A frame (RFC 9113 section 4.1). All numbers are big-endian; the first bit of the stream is reserved.
 *
 *     ┌─────────┬──────┬───────┬──────────┬──────────────────┐
 *     │ length  │ type │ flags │ stream   │ payload          │
 *     │ 3 bytes │ 1    │ 1     │ 4 bytes  │ length bytes     │
 *     └─────────┴──────┴───────┴──────────┴──────────────────┘
 */
export const frameHeaderBytes = 9;

/** The frame size every peer must take, and the largest one there can be (RFC 9113 section 4.2). */
export const defaultMaxFrameBytes = 16_384;
export const largestMaxFrameBytes = 16_777_215;

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const Flag = {
  NONE: 0,
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Reads an unsigned 31-bit number and drops the reserved bit before it. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes the nine bytes before a payload at `at`; the caller has made room. */
export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, streamId);
}
