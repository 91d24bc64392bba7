import type { Duplex } from "node:stream";
import { headersOutOfOrder, ProtocolError, writeAfterEnd } from "./errors.ts";
import { defaultWindowBytes, maxWindowBytes } from "./flow-control.ts";
import { Flag, FrameType, frameHeaderBytes, writeFrameHeader, writeUint32 } from "./frame.ts";
import { Encoder } from "./hpack/encoder.ts";
import type { HeaderFields } from "./hpack/header-block.ts";
import type { Budget } from "./limits.ts";
import { Output } from "./output.ts";
import { PeerSettings } from "./settings.ts";
import type { Stream, StreamOwner } from "./stream.ts";

// sendData answers false while a stream has more than this waiting.
const highWaterBytes = 64 * 1024;
// A reply that moves by less than this from one look for stalled streams to the next does not move.
const leastProgressBytes = 1024;

const noBytes = new Uint8Array(0);

/** What the sending half tells its session. */
export interface SenderHooks {
  readonly peer: () => string;
  /** This end is over with a stream that the other end is not, or not yet. */
  readonly onLocalOver: (stream: Stream) => void;
  /** This end cut a stream off. */
  readonly onReset: (stream: Stream) => void;
  /** A stream takes data again: what was received and held may be given back. */
  readonly onResume: (stream: Stream) => void;
  /** A stream needs room for a message of this many bytes, or none any more. */
  readonly onReserve: (stream: Stream, bytes: number) => void;
  /** Something waits that did not before. */
  readonly onPending: () => void;
  /** A stream that was told to wait may go on. */
  readonly onDrain: (stream: Stream) => void;
  /** More waits than may; said again with each piece that comes to it. */
  readonly onTooMuchPending: () => void;
  /** With what a stream said just now more waits than may at all. */
  readonly onTooMuchUnsent: (stream: Stream) => void;
}

export interface SenderInit {
  readonly socket: Duplex;
  readonly hooks: SenderHooks;
  readonly maxPendingBytes: number;
  readonly maxUnsentBytes: number;
  /** Get one back for each piece of data that went out whole; and controls for each header block as well. */
  readonly idleFrames: Budget;
  readonly controls: Budget;
}

/**
 * The sending half of a session: turns what streams say into frames, as far as the peer's windows and the socket allow, and
 * keeps the rest. Data that fits goes straight into the output; streams that must wait are of two kinds:
 *
 *     stream's window is used up        waits alone, until its WINDOW_UPDATE
 *     connection's window, or socket    stands in a row, #firstQueued ─▶ … ─▶ #lastQueued, and gets one frame a turn
 */
export class Sender implements StreamOwner {
  readonly output: Output;
  readonly settings: PeerSettings = new PeerSettings();
  readonly #encoder: Encoder = new Encoder();
  readonly #hooks: SenderHooks;
  readonly #maxPendingBytes: number;
  readonly #maxUnsentBytes: number;
  readonly #idleFrames: Budget;
  readonly #controls: Budget;
  #window: number = defaultWindowBytes;
  #firstQueued: Stream | undefined;
  #lastQueued: Stream | undefined;
  /** The streams that have something waiting, for either reason. */
  readonly waiting: Stream[] = [];
  #pendingBytes = 0;
  // Of what had to wait, how much has left.
  #releasedBytes = 0;

  constructor(init: SenderInit) {
    this.output = new Output(init.socket);
    this.#hooks = init.hooks;
    this.#maxPendingBytes = init.maxPendingBytes;
    this.#maxUnsentBytes = init.maxUnsentBytes;
    this.#idleFrames = init.idleFrames;
    this.#controls = init.controls;
  }

  get peer(): string {
    return this.#hooks.peer();
  }

  // What streams say.

  sendHeaders(stream: Stream, fields: HeaderFields, isEnd: boolean): void {
    if (stream.isClosed) return;
    if (stream.isFinished) throw writeAfterEnd(stream.id, "headers");
    if (stream.hasSentHeaders) throw headersOutOfOrder(stream.id, "headers were sent before");
    this.#writeHeaders(stream.id, fields, isEnd ? Flag.END_STREAM : Flag.NONE);
    stream.hasSentHeaders = true;
    if (isEnd) {
      stream.isFinished = true;
      this.#endLocal(stream);
    }
  }

  sendInformation(stream: Stream, fields: HeaderFields): void {
    if (stream.isClosed) return;
    if (stream.hasSentHeaders) throw headersOutOfOrder(stream.id, "an informational response after the final one");
    this.#writeHeaders(stream.id, fields, Flag.NONE);
  }

  sendData(stream: Stream, bytes: Uint8Array, isEnd: boolean): boolean {
    if (stream.isClosed) return true;
    if (stream.isFinished) throw writeAfterEnd(stream.id, "data");
    if (!stream.hasSentHeaders) throw headersOutOfOrder(stream.id, "data before headers");
    if (isEnd) stream.isFinished = true;
    const length = bytes.length;
    if (length === 0 && !isEnd) return true;
    if (stream.pending === undefined && this.#canSend(stream, length)) {
      this.#writeData(stream, bytes, 0, length, isEnd);
      if (isEnd) this.#endLocal(stream);
      return true;
    }
    this.#keep(stream, bytes);
    this.#advance(stream);
    if (stream.pendingBytes <= highWaterBytes) return true;
    // Who waits for its drain with small pieces has little here, and a small reply is not lost to the large ones of others.
    if (this.#pendingBytes > this.#maxUnsentBytes && length > highWaterBytes && this.waiting.length > 1) {
      this.#hooks.onTooMuchUnsent(stream);
      return true;
    }
    stream.needsDrain = true;
    return false;
  }

  sendTrailers(stream: Stream, fields: HeaderFields): void {
    if (stream.isClosed) return;
    if (stream.isFinished) throw writeAfterEnd(stream.id, "trailers");
    if (!stream.hasSentHeaders) throw headersOutOfOrder(stream.id, "trailers before headers");
    if (stream.pending !== undefined || stream.id === 0) {
      this.#encoder.check(fields);
      this.#keep(stream, noBytes);
      stream.isFinished = true;
      stream.pendingTrailers = fields;
      return;
    }
    this.#writeHeaders(stream.id, fields, Flag.END_STREAM);
    stream.isFinished = true;
    this.#endLocal(stream);
  }

  sendReply(stream: Stream, headers: HeaderFields, bytes: Uint8Array, trailers: HeaderFields): void {
    this.sendHeaders(stream, headers, false);
    this.sendData(stream, bytes, false);
    this.sendTrailers(stream, trailers);
  }

  reset(stream: Stream, code: number): void {
    if (stream.isClosed) return;
    // On the wire before anything that its end brings about: a stream that waited for its place opens after it.
    if (stream.id !== 0) this.resetId(stream.id, code);
    this.#hooks.onReset(stream);
  }

  resume(stream: Stream): void {
    this.#hooks.onResume(stream);
  }

  reserve(stream: Stream, bytes: number): void {
    this.#hooks.onReserve(stream, bytes);
  }

  // What the session says.

  /** A client's request; with `isEnd` all of it. */
  open(stream: Stream, fields: HeaderFields, isEnd: boolean): void {
    this.#writeHeaders(stream.id, fields, isEnd ? Flag.END_STREAM : Flag.NONE);
    stream.hasSentHeaders = true;
    if (!isEnd) return;
    stream.isFinished = true;
    this.#endLocal(stream);
  }

  /** @throws TypeError CLEW_HTTP2_HEADER_NAME, CLEW_HTTP2_HEADER_VALUE or CLEW_HTTP2_HEADERS. */
  check(fields: HeaderFields): void {
    this.#encoder.check(fields);
  }

  resetId(id: number, code: number): void {
    const page = this.output.reserve(frameHeaderBytes + 4);
    const at = this.output.position;
    writeFrameHeader(page, at, 4, FrameType.RST_STREAM, Flag.NONE, id);
    writeUint32(page, at + frameHeaderBytes, code);
    this.output.position = at + frameHeaderBytes + 4;
  }

  updateWindow(id: number, increment: number): void {
    const page = this.output.reserve(frameHeaderBytes + 4);
    const at = this.output.position;
    writeFrameHeader(page, at, 4, FrameType.WINDOW_UPDATE, Flag.NONE, id);
    writeUint32(page, at + frameHeaderBytes, increment);
    this.output.position = at + frameHeaderBytes + 4;
  }

  /** Writes a frame of the connection. */
  control(type: number, flags: number, payload: Uint8Array): void {
    const length = payload.length;
    const page = this.output.reserve(frameHeaderBytes + length);
    const at = this.output.position;
    writeFrameHeader(page, at, length, type, flags, 0);
    page.set(payload, at + frameHeaderBytes);
    this.output.position = at + frameHeaderBytes + length;
  }

  goAway(lastId: number, code: number, debug: string): void {
    const text = Buffer.from(debug.slice(0, 256), "latin1");
    const payload = Buffer.allocUnsafe(8 + text.length);
    writeUint32(payload, 0, lastId);
    writeUint32(payload, 4, code);
    text.copy(payload, 8);
    this.control(FrameType.GOAWAY, Flag.NONE, payload);
  }

  /**
   * Takes the settings of the peer, and its new windows to `streams`; {@link advanceAll} then sends.
   *
   * @throws ProtocolError SETTING_*, or WINDOW_OVERFLOW_CONNECTION.
   */
  applySettings(bytes: Uint8Array, start: number, end: number, isFromClient: boolean, streams: Iterable<Stream>): void {
    const before = this.settings.initialWindowBytes;
    this.settings.apply(bytes, start, end, isFromClient);
    this.#encoder.resize(this.settings.headerTableBytes);
    const change = this.settings.initialWindowBytes - before;
    if (change === 0) return;
    for (const stream of streams) {
      stream.sendWindow += change;
      if (stream.sendWindow > maxWindowBytes) throw new ProtocolError("WINDOW_OVERFLOW_CONNECTION");
    }
  }

  /** Sends what new windows of the peer's settings allow. */
  advanceAll(): void {
    for (const stream of [...this.waiting]) this.#advance(stream);
  }

  /** @throws ProtocolError WINDOW_OVERFLOW_CONNECTION. */
  grantConnection(increment: number): void {
    this.#window += increment;
    if (this.#window > maxWindowBytes) throw new ProtocolError("WINDOW_OVERFLOW_CONNECTION");
    this.pump();
  }

  /** @throws ProtocolError WINDOW_OVERFLOW. */
  grantStream(stream: Stream, increment: number): void {
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes) throw new ProtocolError("WINDOW_OVERFLOW");
    if (stream.pending !== undefined) this.#advance(stream);
  }

  /** Gives each stream in the row a frame in turn, until the connection's window or the socket is full. */
  pump(): void {
    while (this.#firstQueued !== undefined && this.#window > 0 && !this.output.isBlocked) {
      const stream = this.#firstQueued;
      this.#firstQueued = stream.nextQueued;
      if (this.#firstQueued === undefined) this.#lastQueued = undefined;
      stream.nextQueued = undefined;
      stream.isQueued = false;
      if (stream.pending === undefined || stream.isClosed) continue;
      this.#sendFrame(stream);
      this.#settle(stream);
    }
  }

  /** Drops what a stream has waiting. */
  forget(stream: Stream): void {
    if (stream.pending === undefined) return;
    this.#pendingBytes -= stream.pendingBytes;
    stream.pendingBytes = 0;
    stream.pending = undefined;
    stream.pendingTrailers = undefined;
    // The last one takes its place: the order says nothing, and a Set would keep dead streams (see stream-table.ts).
    const last = this.waiting.pop()!;
    if (last === stream) return;
    this.waiting[stream.waitingAt] = last;
    last.waitingAt = stream.waitingAt;
  }

  /** The finished streams whose rest the peer has not taken since the last look. */
  findStalled(): Stream[] {
    const stalled: Stream[] = [];
    for (const stream of this.waiting) {
      const before = stream.sweptBytes;
      stream.sweptBytes = stream.isFinished ? stream.pendingBytes : -1;
      if (stream.isFinished && before >= 0 && before - stream.pendingBytes < leastProgressBytes) stalled.push(stream);
    }
    return stalled;
  }

  /** Drops all that waits, and sends nothing more: what is left of the connection holds none of it. */
  close(): void {
    for (const stream of [...this.waiting]) this.forget(stream);
    this.output.close();
  }

  get hasTooMuchPending(): boolean {
    return this.#pendingBytes > this.#maxPendingBytes;
  }

  /** What had to wait and was taken so far: only its growth says something. What the socket still has, the peer has not. */
  get takenBytes(): number {
    return this.#releasedBytes - this.output.pendingBytes;
  }

  /** Sends what an opened stream has waiting. */
  start(stream: Stream): void {
    if (stream.pending !== undefined) this.#advance(stream);
  }

  // How it is done.

  #canSend(stream: Stream, length: number): boolean {
    if (length === 0) return stream.id !== 0;
    return (
      length <= stream.sendWindow &&
      length <= this.#window &&
      length <= this.settings.maxFrameBytes &&
      stream.id !== 0 &&
      !this.output.isBlocked
    );
  }

  #keep(stream: Stream, bytes: Uint8Array): void {
    if (stream.pending === undefined) {
      stream.pending = [];
      stream.pendingAt = 0;
      if (this.waiting.length === 0) this.#hooks.onPending();
      stream.waitingAt = this.waiting.push(stream) - 1;
    }
    if (bytes.length === 0) return;
    stream.pending.push(bytes);
    stream.pendingBytes += bytes.length;
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > this.#maxPendingBytes) this.#hooks.onTooMuchPending();
  }

  // Sends of one stream what can be sent now.
  #advance(stream: Stream): void {
    if (stream.isQueued || stream.id === 0) return;
    while (stream.pending !== undefined && this.#sendFrame(stream)) {
      if (stream.pendingBytes === 0) break;
    }
    this.#settle(stream);
  }

  // One frame of what waits; false when not even one byte may go.
  #sendFrame(stream: Stream): boolean {
    const pending = stream.pending!;
    const piece = pending[0];
    if (piece === undefined) return false;
    if (this.output.isBlocked) return false;
    const left = piece.length - stream.pendingAt;
    const length = Math.min(left, stream.sendWindow, this.#window, this.settings.maxFrameBytes);
    if (length <= 0) return false;
    const isLast = length === stream.pendingBytes && stream.isFinished && stream.pendingTrailers === undefined;
    const from = stream.pendingAt;
    stream.pendingBytes -= length;
    this.#pendingBytes -= length;
    this.#releasedBytes += length;
    if (length === left) {
      pending.shift();
      stream.pendingAt = 0;
    } else stream.pendingAt += length;
    this.#writeData(stream, piece, from, from + length, isLast);
    if (isLast) {
      this.forget(stream);
      this.#endLocal(stream);
    }
    return true;
  }

  // After an attempt to send: finishes, or says what it waits for.
  #settle(stream: Stream): void {
    if (stream.isClosed || stream.pending === undefined) return;
    if (stream.pendingBytes > 0) {
      if (stream.sendWindow > 0) this.#queue(stream);
    } else {
      const trailers = stream.pendingTrailers;
      this.forget(stream);
      if (trailers !== undefined) {
        this.#writeHeaders(stream.id, trailers, Flag.END_STREAM);
        this.#endLocal(stream);
      } else if (stream.isFinished) {
        this.#writeFrame(stream.id, 0, Flag.END_STREAM);
        this.#endLocal(stream);
      }
    }
    if (stream.needsDrain && stream.pendingBytes <= highWaterBytes >> 1) {
      stream.needsDrain = false;
      this.#hooks.onDrain(stream);
    }
  }

  #queue(stream: Stream): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    if (this.#lastQueued === undefined) this.#firstQueued = stream;
    else this.#lastQueued.nextQueued = stream;
    this.#lastQueued = stream;
  }

  #endLocal(stream: Stream): void {
    stream.isLocalOver = true;
    this.#hooks.onLocalOver(stream);
  }

  #writeData(stream: Stream, bytes: Uint8Array, start: number, end: number, isEnd: boolean): void {
    const length = end - start;
    stream.sendWindow -= length;
    this.#window -= length;
    this.#writeFrame(stream.id, length, isEnd ? Flag.END_STREAM : Flag.NONE);
    if (end === bytes.length) {
      this.#idleFrames.refund();
      this.#controls.refund();
    }
    if (length > 0) this.output.append(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }

  #writeFrame(id: number, length: number, flags: number): void {
    const page = this.output.reserve(frameHeaderBytes);
    const at = this.output.position;
    writeFrameHeader(page, at, length, FrameType.DATA, flags, id);
    this.output.position = at + frameHeaderBytes;
  }

  #writeHeaders(id: number, fields: HeaderFields, flags: number): void {
    const output = this.output;
    const page = output.reserve(frameHeaderBytes + this.#encoder.maxBytes(fields));
    const at = output.position;
    const start = at + frameHeaderBytes;
    const end = this.#encoder.encode(fields, page, start);
    this.#controls.refund();
    if (end - start <= this.settings.maxFrameBytes) {
      writeFrameHeader(page, at, end - start, FrameType.HEADERS, flags | Flag.END_HEADERS, id);
      output.position = end;
      return;
    }
    this.#writeLongBlock(id, Buffer.from(page.subarray(start, end)), flags);
  }

  // A block that no frame can hold goes on in CONTINUATION frames (RFC 9113 section 6.10).
  #writeLongBlock(id: number, block: Buffer, flags: number): void {
    const max = this.settings.maxFrameBytes;
    for (let from = 0; from < block.length; from += max) {
      const part = block.subarray(from, from + max);
      const page = this.output.reserve(frameHeaderBytes + part.length);
      const at = this.output.position;
      const type = from === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      const isLast = from + max >= block.length;
      writeFrameHeader(page, at, part.length, type, (from === 0 ? flags : 0) | (isLast ? Flag.END_HEADERS : 0), id);
      page.set(part, at + frameHeaderBytes);
      this.output.position = at + frameHeaderBytes + part.length;
    }
  }
}
