import type { ReceiveWindow } from "./flow-control.ts";
import type { HeaderFields } from "./hpack/header-block.ts";

/** What happens on a stream. Nothing is called after {@link onReset}, nor after {@link onEnd} once this end has ended too. */
export interface StreamListener {
  /**
   * Bytes arrived; they are the listener's. They may be a view into what the socket read, up to 64 KiB, so who keeps a few of
   * them for long copies them. While the stream is paused, what was under way still comes.
   */
  onData(bytes: Buffer): void;
  /** The other end has sent everything; `trailers` is empty when there were none. */
  onEnd(trailers: HeaderFields): void;
  /**
   * The stream is over before both ends had sent everything. Without an error the other end reset it with `code`; with one,
   * the connection ended, or the other end broke the protocol. A reset of one's own is not told.
   */
  onReset(code: number, error: Error | undefined): void;
  /** More may be sent after {@link Http2Stream.sendData} answered false. */
  onDrain(): void;
}

export interface ClientStreamListener extends StreamListener {
  /** The final response headers. */
  onHeaders(fields: HeaderFields): void;
  /** An informational response, 1xx, before them. */
  onInformation?(fields: HeaderFields): void;
}

/** What both ends can do with a stream. Once it is over everything does nothing. */
export interface Http2Stream {
  /** Its number on the connection; 0 while it waits for the other end to take more streams. */
  readonly id: number;
  /** `host:port` of the other end. */
  readonly peer: string;
  /** Whether it is over, for both ends. */
  readonly isClosed: boolean;
  /** Lets the other end send no more than its window for now; what comes is handed on all the same. */
  pause(): void;
  resume(): void;
  /**
   * Sends bytes, which must not change afterwards. False when enough is waiting: go on at `onDrain`.
   *
   * @throws TypeError CLEW_HTTP2_WRITE_AFTER_END or CLEW_HTTP2_HEADERS_ORDER.
   */
  sendData(bytes: Uint8Array, isEnd?: boolean): boolean;
  /** Ends this direction with fields after the data. */
  sendTrailers(fields: HeaderFields): void;
  /** Ends this direction; the other one may go on. */
  sendEnd(): void;
  /** Ends the stream at once, both ways. What waits is dropped. */
  reset(code: number): void;
}

export interface ServerStream extends Http2Stream {
  /** Whether the other end has sent everything: a request without a body has when it is accepted. */
  readonly isRemoteOver: boolean;
  /**
   * Asks for room for a message of `bytes` that is of use only when it is whole. Until there is room beside what other streams
   * of the connection have reserved, the other end may send no more than its window; it keeps its room until `reserve(0)`, or
   * the end of the stream. For messages that are larger than a stream's first window: the others need no room.
   */
  reserve(bytes: number): void;
  /**
   * The response headers, or with `isEnd` the whole response.
   *
   * @throws TypeError CLEW_HTTP2_HEADER_NAME, CLEW_HTTP2_HEADER_VALUE or CLEW_HTTP2_HEADERS_ORDER.
   */
  sendHeaders(fields: HeaderFields, isEnd: boolean): void;
  /** An informational response, 1xx, before the headers. */
  sendInformation(fields: HeaderFields): void;
  /** A whole response: headers, data and trailers, in one write where the windows allow it. */
  sendReply(headers: HeaderFields, bytes: Uint8Array, trailers: HeaderFields): void;
}

export interface ClientStream extends Http2Stream {}

/** What a stream asks of the session it is on. */
export interface StreamOwner {
  readonly peer: string;
  sendHeaders(stream: Stream, fields: HeaderFields, isEnd: boolean): void;
  sendInformation(stream: Stream, fields: HeaderFields): void;
  sendData(stream: Stream, bytes: Uint8Array, isEnd: boolean): boolean;
  sendTrailers(stream: Stream, fields: HeaderFields): void;
  sendReply(stream: Stream, headers: HeaderFields, bytes: Uint8Array, trailers: HeaderFields): void;
  reset(stream: Stream, code: number): void;
  resume(stream: Stream): void;
  reserve(stream: Stream, bytes: number): void;
}

/** What a stream asked for: room for a message that its listener cannot use before it is whole. */
export interface Reservation {
  readonly bytes: number;
  /** Whether it fits beside the others; until then the stream gets no window back. */
  isGranted: boolean;
  /** Received while it waited, and not given back. */
  withheldBytes: number;
  /** What the stream had received when those that stand still were last looked for; -1 when it could not be blamed. */
  sweptBytes: number;
}

/** A listener of either side. */
export type AnyListener = StreamListener & Partial<ClientStreamListener>;

/** The listener of a stream that nobody listens to any more. */
export const silence: AnyListener = {
  onData() {},
  onEnd() {},
  onReset() {},
  onDrain() {},
};

const nothing = Buffer.alloc(0);

/**
 * The state of one stream (RFC 9113 section 5.1). Each end is over for itself; the stream is closed when both are, or when
 * one cut it off.
 *
 *                      hasSentHeaders ─▶ isFinished (nothing more to come from the user) ─▶ isLocalOver (END_STREAM is out)
 *     hasReceivedHeaders ─▶ isRemoteOver (END_STREAM came)
 */
export class Stream implements ServerStream, ClientStream {
  id: number;
  listener: AnyListener = silence;
  readonly owner: StreamOwner;

  hasSentHeaders = false;
  isFinished = false;
  isLocalOver = false;
  hasReceivedHeaders = false;
  isRemoteOver = false;
  isClosed = false;

  // Receiving.
  window: ReceiveWindow | undefined;
  isPaused = false;
  /** Received while paused, and not given back. */
  heldBytes = 0;
  reservation: Reservation | undefined;
  /** What content-length promises, or -1, and what came. */
  promisedBytes = -1;
  receivedBytes = 0;
  /** The response to HEAD promises bytes that do not come. */
  isHead = false;

  // Sending.
  sendWindow: number;
  /** What waits for a window or the socket: pieces, the first from pendingAt on. */
  pending: Uint8Array[] | undefined;
  pendingAt = 0;
  pendingBytes = 0;
  pendingTrailers: HeaderFields | undefined;
  /** Where it stands among those that have something waiting. */
  waitingAt = 0;
  needsDrain = false;
  /** Whether it stands in the row of those that only wait for the connection; and who is next there. */
  isQueued = false;
  nextQueued: Stream | undefined;
  /** What waited when stalled streams were last looked for. */
  sweptBytes = -1;
  /** A client's request headers while the other end takes no more streams. */
  opening: HeaderFields | undefined;

  constructor(id: number, owner: StreamOwner, sendWindow: number) {
    this.id = id;
    this.owner = owner;
    this.sendWindow = sendWindow;
  }

  get peer(): string {
    return this.owner.peer;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.heldBytes > 0) this.owner.resume(this);
  }

  reserve(bytes: number): void {
    this.owner.reserve(this, bytes);
  }

  sendHeaders(fields: HeaderFields, isEnd: boolean): void {
    this.owner.sendHeaders(this, fields, isEnd);
  }

  sendInformation(fields: HeaderFields): void {
    this.owner.sendInformation(this, fields);
  }

  sendData(bytes: Uint8Array, isEnd: boolean = false): boolean {
    return this.owner.sendData(this, bytes, isEnd);
  }

  sendTrailers(fields: HeaderFields): void {
    this.owner.sendTrailers(this, fields);
  }

  sendReply(headers: HeaderFields, bytes: Uint8Array, trailers: HeaderFields): void {
    this.owner.sendReply(this, headers, bytes, trailers);
  }

  sendEnd(): void {
    if (!this.isFinished) this.owner.sendData(this, nothing, true);
  }

  reset(code: number): void {
    this.owner.reset(this, code);
  }
}
