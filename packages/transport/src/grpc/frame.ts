import type { Message } from "@bufbuild/protobuf";
import { type MessageCodec, ServiceError } from "@clew/rpc";

/**
 * One message as gRPC frames it (gRPC over HTTP/2, "Length-Prefixed-Message"):
 *
 *     ┌────────────┬──────────────────────┬───────────────┐
 *     │ compressed │ length               │ message       │
 *     │ 1 byte     │ 4 bytes, big-endian  │ length bytes  │
 *     └────────────┴──────────────────────┴───────────────┘
 */
export interface Frame {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
}

const prefixBytes = 5;
const nothing = new Uint8Array(0);
// A message up to this gets its whole buffer at once: four times fewer copies of 100 KB that come in 16 KB frames.
const leastGrowth = 128 * 1024;

/** The frame of one message, as bytes of its own. */
export function encodeFrame(message: Uint8Array, isCompressed: boolean): Uint8Array {
  const length = message.length;
  const frame = Buffer.allocUnsafe(prefixBytes + length);
  frame[0] = isCompressed ? 1 : 0;
  frame.writeUInt32BE(length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** The frame of an uncompressed message, written straight behind its head where the codec can: no copy. */
export function encodeMessageFrame(codec: MessageCodec<Message>, message: Message): Uint8Array {
  if (codec.encodeAfter === undefined) return encodeFrame(codec.encode(message), false);
  const frame = codec.encodeAfter(prefixBytes, message);
  const length = frame.length - prefixBytes;
  frame[0] = 0;
  frame[1] = length >>> 24;
  frame[2] = length >>> 16;
  frame[3] = length >>> 8;
  frame[4] = length;
  return frame;
}

/** Cuts what arrives, split anywhere, into frames. */
export class FrameReader {
  readonly #maxBytes: number;
  // What has not been read yet is #buffer[#start, #end). A buffer of ours has room behind #end; one that was pushed has none.
  #buffer: Uint8Array = nothing;
  #start = 0;
  #end = 0;
  #isOurs = false;

  /** `maxBytes` is the largest message to accept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many bytes wait to be read. */
  get bufferedBytes(): number {
    return this.#end - this.#start;
  }

  /** How many bytes the next frame has; 0 while its prefix is not there. */
  get frameBytes(): number {
    return this.bufferedBytes < prefixBytes ? 0 : prefixBytes + this.#messageLength();
  }

  /** Takes over `chunk`: frames are views into it, so it must not change afterwards. */
  push(chunk: Uint8Array): void {
    const left = this.#end - this.#start;
    if (left === 0) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#isOurs = false;
      return;
    }
    if (!this.#isOurs || this.#buffer.length - this.#end < chunk.length) this.#grow(left + chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next frame, or undefined while it is not complete.
   *
   * @throws ServiceError 429 as soon as the prefix says so, 400 CODEC when the prefix is none.
   */
  next(): Frame | undefined {
    const left = this.#end - this.#start;
    if (left < prefixBytes) return undefined;
    const flag = this.#buffer[this.#start]!;
    if (flag > 1)
      throw new ServiceError(400, "CODEC", `a message begins with ${flag}, where only 0 and 1 have a meaning`);
    const length = this.#messageLength();
    if (length > this.#maxBytes) throw messageTooLarge(length, this.#maxBytes);
    if (left < prefixBytes + length) return undefined;
    const from = this.#start + prefixBytes;
    this.#start = from + length;
    return { isCompressed: flag === 1, bytes: this.#buffer.subarray(from, this.#start) };
  }

  #messageLength(): number {
    const at = this.#start + 1;
    const buffer = this.#buffer;
    return buffer[at]! * 0x1000000 + ((buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!);
  }

  // A new buffer each time, since frames that were given out may still look into the old one. Doubling keeps a message that
  // drips in byte by byte linear, and the memory in proportion to what arrived rather than to what the prefix claims.
  #grow(needed: number): void {
    const left = this.#end - this.#start;
    const whole = left >= prefixBytes ? prefixBytes + this.#messageLength() : needed;
    const buffer = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(whole, Math.max(2 * needed, leastGrowth))));
    buffer.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = buffer;
    this.#start = 0;
    this.#end = left;
    this.#isOurs = true;
  }
}

/** A message is over the limit of its receiver: RESOURCE_EXHAUSTED. */
export function messageTooLarge(bytes: number | undefined, maxBytes: number): ServiceError {
  const size = bytes === undefined ? "a message" : `a message of ${bytes} bytes`;
  return new ServiceError(429, "", `${size} is over the limit of ${maxBytes} bytes`);
}
