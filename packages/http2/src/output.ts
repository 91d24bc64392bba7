import { Socket } from "node:net";
import type { Duplex } from "node:stream";

const pageBytes = 32 * 1024;
// Larger payloads go to the socket as they are, in one writev with what is around them; smaller ones are copied together.
const copyBytes = 4096;
// Where the socket keeps what it is given, small writes are copied out of the page, which stays ours.
const smallWriteBytes = 4096;
// Within one turn, no more than this is collected before the socket gets it.
const flushBytes = 256 * 1024;

// Its reactions are microtasks that no async resource is made for, unlike queueMicrotask's.
const settled: Promise<void> = Promise.resolve();

// Pages are shared by all sessions and held only while something waits in them: an idle connection has none.
const freePages: Buffer[] = [];
const maxFreePages = 16;

/**
 * Collects what is written during one turn of the event loop; it leaves as one write to the socket.
 *
 *     page    ├── written before ──┼── this turn: #start … position ──┼── free ──┤
 *     parts   [ slice of a page, large payload, slice of a page, … ]   when large payloads are between
 *
 * The turn ends in process.nextTick, asked for from a microtask: by then every promise that what arrived has settled has run
 * its reactions, so the replies of async handlers that did not really wait are in as well.
 */
export class Output {
  readonly #socket: Duplex;
  // Of a plain TCP socket it is known that what the kernel took at once is nobody's any more.
  readonly #isPlain: boolean;
  #page: Buffer | undefined;
  #start = 0;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #isScheduled = false;
  #isClosed = false;
  #isBlocked = false;
  /** Where the next byte goes in {@link page}. */
  position = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#isPlain = socket instanceof Socket && !("encrypted" in socket);
  }

  /** Whether the socket asked to wait; the session learns from its `drain` when it is over, and calls {@link unblock}. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** What was written and the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#partBytes + (this.position - this.#start) + this.#socket.writableLength;
  }

  unblock(): void {
    this.#isBlocked = false;
  }

  /** The page to write into, at {@link position}, with room for `bytes` more. The writer moves the position on. */
  reserve(bytes: number): Buffer {
    if (this.#page === undefined || this.position + bytes > this.#page.length) this.#turnPage(bytes);
    if (!this.#isScheduled) this.#schedule();
    return this.#page!;
  }

  /** Writes a payload, which must not change until it is sent. */
  append(payload: Uint8Array): void {
    const length = payload.length;
    if (length > copyBytes) {
      this.#cutPart();
      this.#addPart(asBuffer(payload));
      return;
    }
    const page = this.reserve(length);
    page.set(payload, this.position);
    this.position += length;
  }

  /** Hands everything to the socket. */
  flush(): void {
    if (this.#isClosed) return;
    const page = this.#page;
    if (this.#parts.length > 0) {
      this.#cutPart();
      this.#flushParts();
    } else if (page !== undefined && this.position > this.#start) {
      const start = this.#start;
      this.#start = this.position;
      if (this.#isPlain) {
        this.#isBlocked = !this.#socket.write(page.subarray(start, this.position));
      } else if (this.position - start <= smallWriteBytes) {
        const copy = Buffer.allocUnsafeSlow(this.position - start);
        page.copy(copy, 0, start, this.position);
        this.#isBlocked = !this.#socket.write(copy);
        this.#releasePage();
        return;
      } else {
        this.#isBlocked = !this.#socket.write(page.subarray(start, this.position));
      }
    } else return;
    // The rule for writableLength: a write that the kernel took at once is already subtracted when write() returns.
    if (this.#isPlain && this.#socket.writableLength === 0) this.#releasePage();
    else this.#dropPage();
  }

  /** Drops what waits and writes nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#parts = [];
    this.#partBytes = 0;
    this.#dropPage();
  }

  #flushParts(): void {
    const parts = this.#parts;
    this.#parts = [];
    this.#partBytes = 0;
    const socket = this.#socket;
    if (parts.length === 1) {
      this.#isBlocked = !socket.write(parts[0]!);
      return;
    }
    socket.cork();
    for (const part of parts) this.#isBlocked = !socket.write(part);
    socket.uncork();
  }

  // Ends the page's current slice as a part of its own.
  #cutPart(): void {
    if (this.position === this.#start) return;
    const part = this.#page!.subarray(this.#start, this.position);
    this.#start = this.position;
    this.#addPart(part);
  }

  #addPart(part: Buffer): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
    if (!this.#isScheduled) this.#schedule();
    if (this.#partBytes > flushBytes) this.flush();
  }

  #turnPage(bytes: number): void {
    if (this.#page !== undefined) this.#cutPart();
    this.#page =
      bytes > pageBytes ? Buffer.allocUnsafeSlow(bytes) : (freePages.pop() ?? Buffer.allocUnsafeSlow(pageBytes));
    this.#start = 0;
    this.position = 0;
  }

  #releasePage(): void {
    const page = this.#page;
    if (page !== undefined && page.length === pageBytes && freePages.length < maxFreePages) freePages.push(page);
    this.#dropPage();
  }

  #dropPage(): void {
    this.#page = undefined;
    this.#start = 0;
    this.position = 0;
  }

  #schedule(): void {
    this.#isScheduled = true;
    void settled.then(this.#afterMicrotasks);
  }

  readonly #afterMicrotasks = (): void => process.nextTick(this.#endTurn);

  readonly #endTurn = (): void => {
    this.#isScheduled = false;
    this.flush();
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
