import { ProtocolError } from "./errors.ts";
import { Flag, readUint31 } from "./frame.ts";
import type { Limits } from "./limits.ts";

// What a small header list may take as a block, whatever the limit of lists.
const leastBlockLimit = 64 * 1024;

/** A whole header block: `bytes[start, end)`. */
export interface AssembledBlock {
  readonly isEnd: boolean;
  /** What RFC 7540 forbade, and RFC 9113 left out with all of priority. */
  readonly dependsOnItself: boolean;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * Header blocks from their frames (RFC 9113 sections 6.2 and 6.10):
 *
 *     HEADERS        │ padding length? │ priority? (5) │ fragment │ padding? │
 *     CONTINUATION   │ fragment │                                             none or more, END_HEADERS with the last
 */
export class HeaderAssembly {
  readonly #limits: Limits;
  /** The stream whose block is not whole yet, or 0. Nothing but its CONTINUATION may come then. */
  openId = 0;
  #isEnd = false;
  #dependsOnItself = false;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Takes the payload of a HEADERS frame; the block, unless it goes on. */
  begin(flags: number, id: number, bytes: Buffer, frameStart: number, frameEnd: number): AssembledBlock | undefined {
    let start = frameStart;
    let end = frameEnd;
    if ((flags & Flag.PADDED) !== 0) {
      if (start === end) throw new ProtocolError("FRAME_LENGTH", "padding without its length");
      end -= bytes[start++]!;
    }
    let dependsOnItself = false;
    if ((flags & Flag.PRIORITY) !== 0) {
      if (end - start < 5) throw new ProtocolError(frameEnd - frameStart < 5 ? "FRAME_LENGTH" : "PADDING");
      dependsOnItself = readUint31(bytes, start) === id;
      start += 5;
    }
    if (end < start) throw new ProtocolError("PADDING");
    const isEnd = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) return { isEnd, dependsOnItself, bytes, start, end };
    this.openId = id;
    this.#isEnd = isEnd;
    this.#dependsOnItself = dependsOnItself;
    this.#parts = [];
    this.#bytes = 0;
    this.#add(bytes, start, end);
    return undefined;
  }

  /** Takes the payload of a CONTINUATION frame; the block, unless it goes on. */
  continue(flags: number, id: number, bytes: Buffer, start: number, end: number): AssembledBlock | undefined {
    if (this.openId === 0) throw new ProtocolError(id === 0 ? "STREAM_ZERO" : "CONTINUATION_ALONE");
    this.#add(bytes, start, end);
    if ((flags & Flag.END_HEADERS) === 0) return undefined;
    const whole = Buffer.concat(this.#parts, this.#bytes);
    this.openId = 0;
    this.#parts = [];
    return { isEnd: this.#isEnd, dependsOnItself: this.#dependsOnItself, bytes: whole, start: 0, end: whole.length };
  }

  // Fields cannot be refused unread, for the table's sake; so what is far too long costs the connection.
  #add(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    const { maxHeaderListBytes, maxHeaderFrames } = this.#limits;
    if (this.#bytes > Math.max(leastBlockLimit, 2 * maxHeaderListBytes)) throw new ProtocolError("BLOCK_TOO_LARGE");
    if (this.#parts.length === maxHeaderFrames) throw new ProtocolError("TOO_MANY_CONTINUATIONS");
    // A copy: the fragment may be a few bytes of a large read.
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
  }
}
