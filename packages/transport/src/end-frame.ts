import { mergeChunks } from "./merge-chunks.ts";

/** Frames as gRPC has them, of which the last is none of a message: gRPC-Web's trailers, Connect's end of a stream. */
export interface EndFrame {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
}

const prefixBytes = 5;

/** Passes the frames of messages on as they come, split anywhere, and keeps the last frame. */
export class EndFrameReader {
  /** The last frame, once all of it is there. */
  frame: EndFrame | undefined;
  /** Whether something followed it, or it was larger than it may be. */
  isBroken = false;
  readonly #flag: number;
  readonly #maxBytes: number;
  readonly #onMessages: (bytes: Buffer) => void;
  // The frame under way: how much of its head came, and what is left of it.
  #headBytes = 0;
  #leftBytes = 0;
  #isLast = false;
  #isCompressed = false;
  readonly #chunks: Buffer[] = [];
  #mergedChunks = 0;

  /** `flag` is the bit of a frame's first byte that only the last one has; `maxBytes` is how large that one may be. */
  constructor(flag: number, maxBytes: number, onMessages: (bytes: Buffer) => void) {
    this.#flag = flag;
    this.#maxBytes = maxBytes;
    this.#onMessages = onMessages;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.#isLast && !this.isBroken) {
      if (this.#headBytes === prefixBytes) {
        const taken = Math.min(this.#leftBytes, bytes.length - at);
        at += taken;
        this.#leftBytes -= taken;
        if (this.#leftBytes === 0) this.#headBytes = 0;
      } else if (this.#headBytes === 0 && (bytes[at]! & this.#flag) !== 0) this.#isLast = true;
      else this.#takeHead(bytes[at++]!);
    }
    if (at > 0) this.#onMessages(bytes.subarray(0, at));
    if (at < bytes.length) this.#takeLast(bytes.subarray(at));
  }

  #takeHead(byte: number): void {
    if (this.#headBytes === 0) this.#leftBytes = 0;
    else this.#leftBytes = this.#leftBytes * 256 + byte;
    if (++this.#headBytes === prefixBytes && this.#leftBytes === 0) this.#headBytes = 0;
  }

  #takeLast(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && this.#headBytes < prefixBytes) {
      const byte = bytes[at++]!;
      if (this.#headBytes === 0) this.#isCompressed = (byte & 1) === 1;
      this.#leftBytes = this.#headBytes === 0 ? 0 : this.#leftBytes * 256 + byte;
      this.#headBytes++;
    }
    if (this.#headBytes < prefixBytes || this.isBroken) return;
    const rest = bytes.subarray(at);
    if (rest.length > this.#leftBytes || this.#leftBytes > this.#maxBytes) {
      this.isBroken = true;
      return;
    }
    if (rest.length > 0) this.#chunks.push(rest);
    this.#mergedChunks = mergeChunks(this.#chunks, this.#mergedChunks);
    this.#leftBytes -= rest.length;
    if (this.#leftBytes === 0) this.frame = { isCompressed: this.#isCompressed, bytes: Buffer.concat(this.#chunks) };
  }
}
