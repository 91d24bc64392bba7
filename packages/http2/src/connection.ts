import type { Duplex } from "node:stream";
import { ErrorCode } from "./error-code.ts";
import { connectionClosed, connectionLost, ProtocolError } from "./errors.ts";
import type { RoundTripClock } from "./flow-control.ts";
import type { HeaderFields } from "./hpack/header-block.ts";
import { Budget } from "./limits.ts";
import { PendingWatch } from "./pending-watch.ts";
import { ReceiveFlow } from "./receive-flow.ts";
import { ResetStreams } from "./reset-streams.ts";
import { Sender } from "./sender.ts";
import type { ResolvedSessionOptions } from "./session-options.ts";
import { StallWatch } from "./stall-watch.ts";
import { type Stream, silence } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

// After a goodbye the peer's bytes are read and dropped for a while: closing with unread bytes would make TCP take it back.
const lingerMs = 1000;
const lingerBytes = 1024 * 1024;
// While the socket takes nothing, answers to the peer may pile up to this; then nothing more is read from it.
const maxOutputBytes = 1024 * 1024;

/**
 * The socket of a session and the streams on it: how they begin, and how they end, one by one or all together. What the bytes
 * mean is the session's, which is made of this.
 */
export abstract class Connection implements RoundTripClock {
  protected readonly socket: Duplex;
  protected readonly options: ResolvedSessionOptions;
  protected readonly isServer: boolean;
  protected readonly sender: Sender;
  protected readonly flow: ReceiveFlow;
  protected readonly streams: StreamTable = new StreamTable();
  protected readonly resetStreams: ResetStreams = new ResetStreams();
  protected readonly resets: Budget;
  protected readonly controls: Budget;
  protected readonly idleFrames: Budget;
  /** The highest stream number the peer has opened. */
  protected lastPeerId = 0;
  protected isGoingAway = false;
  protected isClosed = false;
  readonly #stalls: StallWatch;
  readonly #tooMuch: PendingWatch;
  #peer: string;
  #lastStream: Stream | undefined;
  #linger: NodeJS.Timeout | undefined;
  #lingerBytes = 0;
  #isReadPaused = false;

  constructor(socket: Duplex, isServer: boolean, options: ResolvedSessionOptions) {
    const { limits, now } = options;
    this.socket = socket;
    this.options = options;
    this.isServer = isServer;
    // Now, since a socket that has closed does not know any more; and again later, since one that connects does not know yet.
    this.#peer = formatPeer(socket);
    this.flow = new ReceiveFlow({
      streamWindowBytes: options.streamWindowBytes,
      connectionWindowBytes: options.connectionWindowBytes,
      maxWindowBytes: options.maxWindowBytes,
      maxHeldBytes: limits.maxHeldBytes,
      // A client chose its server, and asked for what comes.
      maxUnfinishedBytes: isServer ? limits.maxUnfinishedBytes : Number.POSITIVE_INFINITY,
      stallTimeoutMs: limits.stallTimeoutMs,
      onStalledStream: (stream) => this.failStream(stream.id, new ProtocolError("REQUEST_STALLED")),
      clock: this,
      updateWindow: (id, increment) => {
        if (!this.isClosed) this.sender.updateWindow(id, increment);
      },
    });
    this.resets = new Budget(limits.resetBurst, limits.resetsPerSecond, now);
    this.controls = new Budget(limits.controlBurst, limits.controlsPerSecond, now);
    this.idleFrames = new Budget(limits.idleFrameBurst, limits.idleFramesPerSecond, now);
    this.sender = new Sender({
      socket,
      // What a client has waiting is its own requests: to lose all of them would help nobody.
      maxPendingBytes: isServer ? limits.maxPendingBytes : Number.POSITIVE_INFINITY,
      maxUnsentBytes: isServer ? limits.maxUnsentBytes : Number.POSITIVE_INFINITY,
      idleFrames: this.idleFrames,
      controls: this.controls,
      hooks: {
        peer: () => this.peer,
        onLocalOver: (stream) => this.#onLocalOver(stream),
        onReset: (stream) => this.#onOwnReset(stream),
        onResume: (stream) => this.flow.resume(stream),
        onReserve: (stream, bytes) => this.flow.reserve(stream, bytes),
        onPending: () => this.#stalls.watch(),
        onDrain: (stream) => this.#tellDrain(stream),
        onTooMuchPending: () => this.#tooMuch.watch(),
        onTooMuchUnsent: (stream) => this.failStream(stream.id, new ProtocolError("TOO_MUCH_UNSENT")),
      },
    });
    this.#tooMuch = new PendingWatch({ sender: this.sender, now, onFault: (error) => this.fail(error) });
    this.#stalls = new StallWatch({
      socket,
      sender: this.sender,
      timeoutMs: limits.stallTimeoutMs,
      // A client that asks waits for its server as long as it likes.
      onStalledStream: isServer
        ? (stream) => this.failStream(stream.id, new ProtocolError("STREAM_STALLED"))
        : undefined,
      onStalledPeer: () => this.#abandon(),
    });
    // Asked for before the socket flows, so that it comes before what the socket still has.
    const head = options.head;
    if (head !== undefined && head.length > 0) process.nextTick(() => this.#onChunk(head));
    socket.on("data", (chunk: Buffer) => this.#onChunk(chunk));
    socket.on("drain", () => this.#onDrain());
    socket.on("end", () => this.#onSocketEnd(undefined));
    socket.on("error", (error) => this.#onSocketEnd(error));
    socket.on("close", () => this.#onSocketClose());
  }

  /** `host:port` of the other end; empty where the socket has none. */
  get peer(): string {
    if (this.#peer === "") this.#peer = formatPeer(this.socket);
    return this.#peer;
  }

  /** Whether it is neither closed nor going away. */
  get isOpen(): boolean {
    return !this.isClosed && !this.isGoingAway;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** How long a round trip took the last time it was measured, in milliseconds; 0 before. */
  abstract get roundTripMs(): number;

  now(): number {
    return this.options.now();
  }

  /** Closes at once: the other end is told `code` and, for its log, `debug`; all streams end. */
  destroy(code: number = ErrorCode.NO_ERROR, debug: string = ""): void {
    this.#shutDown(code, debug, connectionClosed(code));
  }

  /** Takes what the socket read. Whatever it throws ends the connection. */
  protected abstract receive(chunk: Buffer): void;
  /** Nothing that is received counts any more. */
  protected abstract stopReceiving(): void;
  /** A stream is over and gone from {@link streams}. */
  protected abstract onStreamOver(): void;

  // The socket.

  #onChunk(chunk: Buffer): void {
    if (this.isClosed) {
      this.#lingerBytes += chunk.length;
      if (this.#lingerBytes > lingerBytes) this.socket.destroy();
      return;
    }
    try {
      this.receive(chunk);
    } catch (error) {
      this.fail(error);
    }
    if (this.sender.output.isBlocked) this.#holdReading();
  }

  // The peer sends, and does not take our answers: after a while it has to wait.
  #holdReading(): void {
    this.#stalls.watch();
    if (this.#isReadPaused || this.isClosed || this.sender.output.pendingBytes <= maxOutputBytes) return;
    this.#isReadPaused = true;
    this.socket.pause();
  }

  #onDrain(): void {
    this.sender.output.unblock();
    if (this.#isReadPaused) {
      this.#isReadPaused = false;
      this.socket.resume();
    }
    this.sender.pump();
  }

  #onSocketEnd(cause: Error | undefined): void {
    if (this.isClosed) return;
    const isExpected = cause === undefined && this.streams.size === 0;
    this.#end(ErrorCode.NO_ERROR, connectionLost(cause), isExpected ? undefined : connectionLost(cause));
    if (!this.socket.destroyed) this.socket.end();
  }

  #onSocketClose(): void {
    this.#onSocketEnd(undefined);
    clearTimeout(this.#linger);
  }

  /** Closes after the last stream: nobody lost anything. */
  protected finish(): void {
    if (this.isClosed) return;
    this.sender.output.flush();
    this.#end(ErrorCode.NO_ERROR, connectionClosed(ErrorCode.NO_ERROR), undefined);
    this.#closeSocket();
  }

  /** Ends the connection: the peer broke the protocol, or something of ours is broken. */
  protected fail(error: unknown): void {
    if (error instanceof ProtocolError) this.#shutDown(error.errorCode, error.message, error);
    else this.#shutDown(ErrorCode.INTERNAL_ERROR, "", connectionClosed(ErrorCode.INTERNAL_ERROR, error));
  }

  #shutDown(code: number, debug: string, error: Error): void {
    if (this.isClosed) return;
    this.sender.goAway(this.lastPeerId, code, debug);
    this.sender.output.flush();
    const streamError = error instanceof ProtocolError ? connectionClosed(code, error) : error;
    this.#end(code, streamError, code === ErrorCode.NO_ERROR ? undefined : streamError);
    this.#closeSocket();
  }

  // Ends all streams and the session; the socket may still have bytes to deliver.
  #end(code: number, streamError: Error, closeError: Error | undefined): void {
    this.isClosed = true;
    this.stopReceiving();
    this.#stalls.stop();
    this.#tooMuch.stop();
    this.flow.stop();
    const streams = this.streams.list();
    this.streams.clear();
    for (const stream of streams) this.tellReset(stream, code, streamError);
    this.onEnd(code, streamError);
    this.sender.close();
    this.options.onClose(closeError);
  }

  /** The session is over; for streams that are not in {@link streams}. */
  protected onEnd(_code: number, _error: Error): void {}

  #closeSocket(): void {
    const socket = this.socket;
    socket.end();
    if (this.#isReadPaused) socket.resume();
    this.#linger = setTimeout(() => socket.destroy(), lingerMs);
    this.#linger.unref();
  }

  // Streams.

  protected find(id: number): Stream | undefined {
    // Frames of one stream tend to come together.
    const last = this.#lastStream;
    if (last !== undefined && last.id === id) return last.isClosed ? undefined : last;
    const stream = this.streams.get(id);
    if (stream !== undefined) this.#lastStream = stream;
    return stream;
  }

  protected add(stream: Stream): void {
    this.streams.add(stream);
    this.#lastStream = stream;
  }

  /** The other end has said everything on a stream; the listener is told. */
  protected endRemote(stream: Stream, trailers: HeaderFields): void {
    if (stream.isClosed) return;
    stream.isRemoteOver = true;
    try {
      stream.listener.onEnd(trailers);
    } catch (error) {
      this.onListenerError(stream, error);
    }
    if (stream.isLocalOver) this.#complete(stream);
  }

  /** Ends a stream of which the other end has not looked at anything, or not everything. */
  protected drop(stream: Stream, code: number, error: Error): void {
    this.resetStreams.add(stream.id);
    this.remove(stream);
    this.tellReset(stream, code, error);
  }

  #onLocalOver(stream: Stream): void {
    if (stream.isRemoteOver) this.#complete(stream);
    else if (this.isServer) {
      // The reply is complete, so the rest of the request is of no use (RFC 9113 section 8.1).
      this.sender.reset(stream, ErrorCode.NO_ERROR);
    }
  }

  #complete(stream: Stream): void {
    if (stream.isClosed) return;
    this.resets.refund();
    this.remove(stream);
    this.onStreamOver();
  }

  #onOwnReset(stream: Stream): void {
    if (stream.id !== 0) this.resetStreams.add(stream.id);
    this.remove(stream);
    this.onStreamOver();
  }

  protected remove(stream: Stream): void {
    stream.isClosed = true;
    this.streams.delete(stream.id);
    this.sender.forget(stream);
    this.flow.forget(stream);
  }

  protected tellReset(stream: Stream, code: number, error: Error | undefined): void {
    stream.isClosed = true;
    const listener = stream.listener;
    stream.listener = silence;
    try {
      listener.onReset(code, error);
    } catch (thrown) {
      this.options.onListenerError(thrown);
    }
  }

  #tellDrain(stream: Stream): void {
    try {
      stream.listener.onDrain();
    } catch (error) {
      this.onListenerError(stream, error);
    }
  }

  /** A listener threw: its stream is lost, the others go on. */
  protected onListenerError(stream: Stream, error: unknown): void {
    this.sender.reset(stream, ErrorCode.INTERNAL_ERROR);
    this.options.onListenerError(error);
  }

  /** The peer broke the protocol on one stream. Cheap for the peer and dear for us, so it counts like a reset of its own. */
  protected failStream(id: number, error: ProtocolError): void {
    if (!this.resets.spend()) {
      this.fail(new ProtocolError("TOO_MANY_RESETS", error.message));
      return;
    }
    this.sender.resetId(id, error.errorCode);
    this.resetStreams.add(id);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.remove(stream);
    this.tellReset(stream, error.errorCode, error);
    this.onStreamOver();
  }

  // Words would only join what the peer does not read.
  #abandon(): void {
    const error = connectionClosed(ErrorCode.ENHANCE_YOUR_CALM, new ProtocolError("STALLED"));
    this.#end(ErrorCode.ENHANCE_YOUR_CALM, error, error);
    this.socket.destroy();
  }
}

function formatPeer(socket: Duplex): string {
  const { remoteAddress, remotePort } = socket as { remoteAddress?: string; remotePort?: number };
  if (remoteAddress === undefined) return "";
  return remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
