import { ProtocolError } from "./errors.ts";
import { Flag, FrameType, frameHeaderBytes, readUint31 } from "./frame.ts";

/**
 * Takes the frames that a {@link FrameReader} finds. The payload is `bytes[start, end)`. A DATA frame may come in parts, each
 * as if it were a frame, END_STREAM with the last.
 */
export interface FrameSink {
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

/**
 * Cuts what arrives, split anywhere, into frames. A frame that lies whole in a chunk is handed on where it lies. Of one that is
 * cut, DATA is handed on in parts, without waiting and without a copy; another one is gathered, so at most one is ever held:
 *
 *     chunks   ├── 1 ───────────────────┼── 2 ────────┼── 3 ──────────┤
 *     frames   ├─ HEADERS ─┼─ DATA ─────╎─────┼─ HEADERS ─┼─ DATA ──┤
 *                          └ part ┘└ part┘   └ in #held ─┘
 *
 * A reader that was stopped, even from inside the sink, hands on nothing more.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  #held: Buffer | undefined;
  #heldBytes = 0;
  // How many bytes #held wants: the nine of a header, or a whole frame.
  #wanted = 0;
  // What is missing of a DATA frame of which parts were handed on.
  #restBytes = 0;
  #restFlags = 0;
  #restId = 0;
  #isStopped = false;

  /** `maxFrameBytes` is the largest payload to accept. */
  constructor(sink: FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  stop(): void {
    this.#isStopped = true;
    this.#held = undefined;
    this.#restBytes = 0;
  }

  /**
   * Reads all frames that `chunk` completes. A frame cut by the end of `chunk` is copied, unless it is DATA; the others are not.
   *
   * @throws ProtocolError FRAME_TOO_LARGE as soon as a header says so, and whatever the sink throws; the rest of the chunk is
   * lost then.
   */
  push(chunk: Buffer): void {
    let at = this.#restBytes > 0 ? this.#passRest(chunk) : this.#held !== undefined ? this.#gather(chunk) : 0;
    const length = chunk.length;
    while (!this.#isStopped && at < length) {
      if (length - at < frameHeaderBytes) {
        this.#hold(chunk, at, frameHeaderBytes);
        return;
      }
      const end = at + frameHeaderBytes + this.#payloadBytes(chunk, at);
      if (end > length) {
        if (chunk[at + 3] !== FrameType.DATA || (chunk[at + 4]! & Flag.PADDED) !== 0) this.#hold(chunk, at, end - at);
        else this.#passPart(chunk, at, end);
        return;
      }
      const start = at + frameHeaderBytes;
      const from = at;
      at = end;
      this.#sink.onFrame(chunk[from + 3]!, chunk[from + 4]!, readUint31(chunk, from + 5), chunk, start, end);
    }
  }

  #payloadBytes(bytes: Buffer, at: number): number {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    if (length > this.#maxFrameBytes) throw new ProtocolError("FRAME_TOO_LARGE", `${length} bytes`);
    return length;
  }

  // Hands on the beginning of a DATA frame that begins at `at` and goes on until `end`, which is after this chunk.
  #passPart(chunk: Buffer, at: number, end: number): void {
    this.#restBytes = end - chunk.length;
    this.#restFlags = chunk[at + 4]!;
    this.#restId = readUint31(chunk, at + 5);
    const start = at + frameHeaderBytes;
    if (start === chunk.length) return;
    const flags = this.#restFlags & ~Flag.END_STREAM;
    this.#sink.onFrame(FrameType.DATA, flags, this.#restId, chunk, start, chunk.length);
  }

  // Hands on what `chunk` has of the DATA frame before; says where the chunk goes on.
  #passRest(chunk: Buffer): number {
    const length = Math.min(this.#restBytes, chunk.length);
    this.#restBytes -= length;
    if (length === 0) return 0;
    const flags = this.#restBytes === 0 ? this.#restFlags : this.#restFlags & ~Flag.END_STREAM;
    this.#sink.onFrame(FrameType.DATA, flags, this.#restId, chunk, 0, length);
    return length;
  }

  #hold(chunk: Buffer, at: number, wanted: number): void {
    // Not from Node's pool: a listener may keep a view into it, and would keep its 64 KiB neighbours as well.
    this.#held = Buffer.allocUnsafeSlow(wanted);
    this.#wanted = wanted;
    this.#heldBytes = chunk.copy(this.#held, 0, at);
  }

  // Completes the held frame from the beginning of `chunk`; says where the chunk goes on.
  #gather(chunk: Buffer): number {
    let at = 0;
    for (;;) {
      const held = this.#held!;
      const copied = chunk.copy(held, this.#heldBytes, at, at + this.#wanted - this.#heldBytes);
      this.#heldBytes += copied;
      at += copied;
      if (this.#heldBytes < this.#wanted) return at;
      const end = frameHeaderBytes + this.#payloadBytes(held, 0);
      if (end > this.#wanted) {
        if (held[3] === FrameType.DATA && (held[4]! & Flag.PADDED) === 0) {
          this.#held = undefined;
          this.#passPart(held, 0, end);
          return at + this.#passRest(chunk.subarray(at));
        }
        this.#hold(held, 0, end);
        this.#heldBytes = frameHeaderBytes;
        continue;
      }
      this.#held = undefined;
      this.#sink.onFrame(held[3]!, held[4]!, readUint31(held, 5), held, frameHeaderBytes, end);
      return at;
    }
  }
}
