import { ProtocolError } from "./errors.ts";
import { frameHeaderBytes, readUint31 } from "./frame.ts";

/** Takes the frames that a {@link FrameReader} finds. The payload is `bytes[start, end)`. */
export interface FrameSink {
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

/**
 * Cuts what arrives, split anywhere, into frames. A frame that lies whole in a chunk is handed on where it lies; only one
 * that is cut is gathered, so at most one frame is ever held:
 *
 *     chunks   ├── 1 ──────────────────┼── 2 ───────┼── 3 ──────────┤
 *     frames   ├─ a ─┼─ b ────┼─ c ────╎────────────╎──┼─ d ─────┤
 *                                 └─ gathered in #held ─┘
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
  #isStopped = false;

  /** `maxFrameBytes` is the largest payload to accept. */
  constructor(sink: FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  stop(): void {
    this.#isStopped = true;
    this.#held = undefined;
  }

  /**
   * Reads all frames that `chunk` completes. A frame cut by the end of `chunk` is copied; the others are not.
   *
   * @throws ProtocolError FRAME_TOO_LARGE as soon as a header says so, and whatever the sink throws; the rest of the chunk is
   * lost then.
   */
  push(chunk: Buffer): void {
    let at = this.#held === undefined ? 0 : this.#gather(chunk);
    const length = chunk.length;
    while (!this.#isStopped && at < length) {
      if (length - at < frameHeaderBytes) {
        this.#hold(chunk, at, frameHeaderBytes);
        return;
      }
      const end = at + frameHeaderBytes + this.#payloadBytes(chunk, at);
      if (end > length) {
        this.#hold(chunk, at, end - at);
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
