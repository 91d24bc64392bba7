import type { Duplex } from "node:stream";
import { ErrorCode } from "./error-code.ts";
import { connectionClosed, connectionLost, ProtocolError } from "./errors.ts";
import { defaultWindowBytes, type RoundTripClock } from "./flow-control.ts";
import { defaultMaxFrameBytes, Flag, FrameType, readUint31, readUint32 } from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { type AssembledBlock, HeaderAssembly } from "./header-assembly.ts";
import { Decoder } from "./hpack/decoder.ts";
import type { HeaderBlock, HeaderFields } from "./hpack/header-block.ts";
import { Budget } from "./limits.ts";
import { Pings } from "./pings.ts";
import { ReceiveFlow } from "./receive-flow.ts";
import { ResetStreams } from "./reset-streams.ts";
import { Sender } from "./sender.ts";
import type { ResolvedSessionOptions } from "./session-options.ts";
import { encodeSettings } from "./settings.ts";
import { type Stream, silence } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

const noFields: HeaderFields = [];
const nothing: Buffer = Buffer.alloc(0);
// After a goodbye the peer's bytes are read and dropped for a while: closing with unread bytes would make TCP take it back.
const lingerMs = 1000;
const lingerBytes = 1024 * 1024;
// While the socket takes nothing, answers to the peer may pile up to this; then nothing more is read from it.
const maxOutputBytes = 1024 * 1024;

/**
 * One end of a connection: what server and client have in common. Bytes come in from the socket and become frames; each is
 * checked, charged to the peer's budgets where it costs more than it brings, and told to its stream. A peer's fault costs its
 * stream or the connection, as the table in errors.ts says, and never reaches user code as an exception.
 */
export abstract class Session implements FrameSink, RoundTripClock {
  protected readonly socket: Duplex;
  protected readonly options: ResolvedSessionOptions;
  protected readonly sender: Sender;
  protected readonly streams: StreamTable = new StreamTable();
  /** The highest stream number the peer has opened. */
  protected lastPeerId = 0;
  protected isGoingAway = false;
  protected isClosed = false;
  protected hasPeerSettings = false;
  readonly #isServer: boolean;
  readonly #reader: FrameReader;
  readonly #headers: HeaderAssembly;
  readonly #decoder: Decoder;
  readonly #flow: ReceiveFlow;
  readonly #pings: Pings;
  protected readonly resetStreams: ResetStreams = new ResetStreams();
  readonly #resets: Budget;
  readonly #controls: Budget;
  readonly #idleFrames: Budget;
  #peer: string;
  #lastStream: Stream | undefined;
  #settingsSentAt = 0;
  #roundTripMs = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #sweptOutput = -1;
  #linger: NodeJS.Timeout | undefined;
  #lingerBytes = 0;
  #isReadPaused = false;

  constructor(socket: Duplex, isServer: boolean, options: ResolvedSessionOptions) {
    const { limits, now } = options;
    this.socket = socket;
    this.options = options;
    this.#isServer = isServer;
    // Now, since a socket that has closed does not know any more; and again later, since one that connects does not know yet.
    this.#peer = formatPeer(socket);
    this.#reader = new FrameReader(this, defaultMaxFrameBytes);
    this.#headers = new HeaderAssembly(limits);
    this.#decoder = new Decoder(limits.maxHeaderListBytes);
    this.#pings = new Pings(now);
    this.#flow = new ReceiveFlow({
      streamWindowBytes: options.streamWindowBytes,
      connectionWindowBytes: options.connectionWindowBytes,
      maxWindowBytes: options.maxWindowBytes,
      maxHeldBytes: limits.maxHeldBytes,
      clock: this,
      updateWindow: (id, increment) => {
        if (!this.isClosed) this.sender.updateWindow(id, increment);
      },
    });
    this.#resets = new Budget(limits.resetBurst, limits.resetsPerSecond, now);
    this.#controls = new Budget(limits.controlBurst, limits.controlsPerSecond, now);
    this.#idleFrames = new Budget(limits.idleFrameBurst, limits.idleFramesPerSecond, now);
    this.sender = new Sender({
      socket,
      maxPendingBytes: limits.maxPendingBytes,
      idleFrames: this.#idleFrames,
      controls: this.#controls,
      hooks: {
        peer: () => this.peer,
        onLocalOver: (stream) => this.#onLocalOver(stream),
        onReset: (stream) => this.#onOwnReset(stream),
        onResume: (stream) => this.#flow.resume(stream),
        onPending: () => this.#watch(),
        onDrain: (stream) => this.#tellDrain(stream),
        onFault: (error) => this.#fail(error),
      },
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
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  now(): number {
    return this.options.now();
  }

  /** Asks for a sign of life; `onAnswer` is called with the round trip when it comes, and never if the connection ends. */
  ping(onAnswer: (roundTripMs: number) => void): void {
    if (this.isClosed) return;
    this.sender.control(FrameType.PING, Flag.NONE, this.#pings.ask(onAnswer));
  }

  /** Takes no more streams; the open ones may finish, then the connection closes. */
  abstract close(): void;

  /** Closes at once: the other end is told `code` and, for its log, `debug`; all streams end. */
  destroy(code: number = ErrorCode.NO_ERROR, debug: string = ""): void {
    this.#shutDown(code, debug, connectionClosed(code));
  }

  // What server and client do differently.

  /** Takes bytes before the frames begin; says where those begin, or -1 while more are needed. */
  protected abstract readPreface(chunk: Buffer): number;
  /** Whether no stream of this number was ever opened. */
  protected abstract isIdle(id: number): boolean;
  /** A header block arrived for a stream, known or not. */
  protected abstract onHeaderBlock(id: number, isEnd: boolean, block: HeaderBlock): void;
  /** A stream may have been opened by headers that were wrong. */
  protected onBrokenHeaders(_id: number): void {}
  protected abstract onPeerGoAway(lastId: number, code: number, debug: string): void;
  /** A stream is over and gone from {@link streams}. */
  protected abstract onStreamOver(): void;

  /** Says hello: our settings, and the connection's window. */
  protected start(settings: readonly (readonly [number, number])[]): void {
    this.sender.control(FrameType.SETTINGS, Flag.NONE, encodeSettings(settings));
    this.#settingsSentAt = this.now();
    const more = this.options.connectionWindowBytes - defaultWindowBytes;
    if (more > 0) this.sender.updateWindow(0, more);
  }

  // The socket.

  #onChunk(chunk: Buffer): void {
    if (this.isClosed) {
      this.#lingerBytes += chunk.length;
      if (this.#lingerBytes > lingerBytes) this.socket.destroy();
      return;
    }
    try {
      const at = this.readPreface(chunk);
      if (at >= 0) this.#reader.push(at === 0 ? chunk : chunk.subarray(at));
    } catch (error) {
      this.#fail(error);
    }
    if (this.sender.output.isBlocked) this.#holdReading();
  }

  // The peer sends, and does not take our answers: after a while it has to wait.
  #holdReading(): void {
    this.#watch();
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

  #fail(error: unknown): void {
    if (error instanceof ProtocolError) this.#shutDown(error.errorCode, error.message, error);
    else this.#shutDown(ErrorCode.INTERNAL_ERROR, "", connectionClosed(ErrorCode.INTERNAL_ERROR, error));
  }

  /** Ends the connection because the peer broke the protocol. */
  protected fail(error: ProtocolError): void {
    this.#fail(error);
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
    this.#reader.stop();
    clearInterval(this.#sweeper);
    const streams = this.streams.list();
    this.streams.clear();
    for (const stream of streams) this.tellReset(stream, code, streamError);
    this.onEnd(code, streamError);
    this.sender.output.close();
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

  // Frames.

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    try {
      const openId = this.#headers.openId;
      if (openId !== 0 && (type !== FrameType.CONTINUATION || id !== openId)) {
        throw new ProtocolError("BLOCK_INTERRUPTED");
      }
      if (!this.hasPeerSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
        throw new ProtocolError("SETTINGS_FIRST");
      }
      switch (type) {
        case FrameType.DATA:
          this.#onData(flags, id, bytes, start, end);
          break;
        case FrameType.HEADERS:
          this.#onHeaders(flags, id, bytes, start, end);
          break;
        case FrameType.PRIORITY:
          this.#onPriority(id, bytes, start, end);
          break;
        case FrameType.RST_STREAM:
          this.#onReset(id, bytes, start, end);
          break;
        case FrameType.SETTINGS:
          this.#onSettings(flags, id, bytes, start, end);
          break;
        case FrameType.PUSH_PROMISE:
          throw new ProtocolError("PUSH");
        case FrameType.PING:
          this.#onPing(flags, id, bytes, start, end);
          break;
        case FrameType.GOAWAY:
          this.#onGoAway(id, bytes, start, end);
          break;
        case FrameType.WINDOW_UPDATE:
          this.#onWindowUpdate(id, bytes, start, end);
          break;
        case FrameType.CONTINUATION:
          this.#onBlock(id, this.#headers.continue(flags, id, bytes, start, end));
          break;
        default: // Unknown types are dropped (RFC 9113 section 5.5).
          this.#chargeIdleFrame();
      }
    } catch (error) {
      if (error instanceof ProtocolError && error.scope === "stream") this.#failStream(id, error);
      else this.#fail(error);
    }
  }

  #onData(flags: number, id: number, bytes: Buffer, frameStart: number, frameEnd: number): void {
    if (id === 0) throw new ProtocolError("STREAM_ZERO", "DATA");
    const length = frameEnd - frameStart;
    let start = frameStart;
    let end = frameEnd;
    if ((flags & Flag.PADDED) !== 0) {
      if (length === 0) throw new ProtocolError("FRAME_LENGTH", "padding without its length");
      const padding = bytes[start++]!;
      end -= padding;
      if (end < start) throw new ProtocolError("PADDING");
    }
    const isEnd = (flags & Flag.END_STREAM) !== 0;
    if (start === end && !isEnd) this.#chargeIdleFrame();
    else this.#idleFrames.refund();
    if (!this.#flow.receive(length)) throw new ProtocolError("WINDOW_EXCEEDED_CONNECTION");

    const stream = this.find(id);
    if (stream === undefined) {
      this.#flow.use(length);
      this.#refuseClosed(id);
      return;
    }
    if (stream.isRemoteOver || !stream.hasReceivedHeaders) {
      this.#flow.use(length);
      throw new ProtocolError(stream.isRemoteOver ? "STREAM_HALF_CLOSED" : "DATA_BEFORE_HEADERS");
    }
    if (!this.#flow.receiveOn(stream, length)) {
      this.#flow.use(length);
      throw new ProtocolError("WINDOW_EXCEEDED");
    }
    stream.receivedBytes += end - start;
    if (stream.promisedBytes >= 0 && (stream.receivedBytes > stream.promisedBytes || (isEnd && !hasAllBytes(stream)))) {
      this.#flow.use(length);
      throw new ProtocolError("CONTENT_LENGTH", `${stream.receivedBytes} of ${stream.promisedBytes} bytes`);
    }
    // Known before the listener is called, which may answer at once.
    if (isEnd) stream.isRemoteOver = true;
    if (end > start) {
      try {
        stream.listener.onData(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
      } catch (error) {
        this.onListenerError(stream, error);
      }
    }
    // After the listener, which may have paused the stream just now, or reset it.
    this.#flow.deliver(stream, length);
    if (isEnd) this.endRemote(stream, noFields);
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ProtocolError("STREAM_ZERO", "HEADERS");
    this.#onBlock(id, this.#headers.begin(flags, id, bytes, start, end));
  }

  #onBlock(id: number, assembled: AssembledBlock | undefined): void {
    if (assembled === undefined) return;
    // Whatever is wrong with the stream, the block is decoded: the table depends on it (RFC 9113 section 4.3).
    const block = this.#decoder.decode(assembled.bytes, assembled.start, assembled.end);
    if (assembled.dependsOnItself) {
      this.onBrokenHeaders(id);
      throw new ProtocolError("STREAM_DEPENDS_ON_ITSELF");
    }
    this.onHeaderBlock(id, assembled.isEnd, block);
  }

  #onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ProtocolError("STREAM_ZERO", "PRIORITY");
    if (end - start !== 5) throw new ProtocolError("PRIORITY_LENGTH", `${end - start} bytes`);
    if (readUint31(bytes, start) === id) throw new ProtocolError("PRIORITY_OF_ITSELF");
    this.#chargeIdleFrame();
  }

  #onReset(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ProtocolError("STREAM_ZERO", "RST_STREAM");
    if (end - start !== 4) throw new ProtocolError("FRAME_LENGTH", "RST_STREAM");
    const stream = this.find(id);
    if (stream === undefined) {
      if (this.isIdle(id)) throw new ProtocolError("STREAM_IDLE", "RST_STREAM");
      this.#chargeIdleFrame();
      return;
    }
    const code = readUint32(bytes, start);
    // A peer that has had our answer, or part of it, may lose interest; one that asks and cuts off at once costs us for
    // nothing. A server that has said everything may ask us to say no more (RFC 9113 section 8.1).
    if (this.#isServer ? !stream.hasSentHeaders : !stream.isRemoteOver) this.#chargeReset();
    this.#remove(stream);
    this.tellReset(stream, code, undefined);
    this.onStreamOver();
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ProtocolError("NOT_STREAM_ZERO", "SETTINGS");
    if ((flags & Flag.ACK) !== 0) {
      if (end !== start) throw new ProtocolError("SETTINGS_ACK_LENGTH");
      if (this.#settingsSentAt === 0) this.#chargeIdleFrame();
      else this.#roundTripMs = this.now() - this.#settingsSentAt;
      this.#settingsSentAt = 0;
      return;
    }
    this.#chargeControl();
    this.hasPeerSettings = true;
    this.sender.applySettings(bytes, start, end, this.#isServer, this.streams.list());
    // Before any data that they allow: the peer then knows under which settings it was sent.
    this.sender.control(FrameType.SETTINGS, Flag.ACK, nothing);
    this.sender.advanceAll();
    this.onPeerSettings();
  }

  /** The peer's settings changed. */
  protected onPeerSettings(): void {}

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ProtocolError("NOT_STREAM_ZERO", "PING");
    if (end - start !== 8) throw new ProtocolError("FRAME_LENGTH", "PING");
    if ((flags & Flag.ACK) !== 0) {
      const answer = this.#pings.take(bytes, start);
      if (answer === undefined) this.#chargeIdleFrame();
      else {
        this.#roundTripMs = answer.roundTripMs;
        answer.onAnswer(answer.roundTripMs);
      }
      return;
    }
    this.#chargeControl();
    this.sender.control(FrameType.PING, Flag.ACK, bytes.subarray(start, end));
    this.options.onPing();
  }

  #onGoAway(id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ProtocolError("NOT_STREAM_ZERO", "GOAWAY");
    if (end - start < 8) throw new ProtocolError("FRAME_LENGTH", "GOAWAY");
    this.#chargeControl();
    const debug = bytes.toString("latin1", start + 8, Math.min(end, start + 8 + 256));
    this.onPeerGoAway(readUint31(bytes, start), readUint32(bytes, start + 4), debug);
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw new ProtocolError("FRAME_LENGTH", "WINDOW_UPDATE");
    const increment = readUint31(bytes, start);
    this.#chargeIdleFrame();
    if (id === 0) {
      if (increment === 0) throw new ProtocolError("WINDOW_ZERO_INCREMENT_CONNECTION");
      this.sender.grantConnection(increment);
      return;
    }
    const stream = this.find(id);
    if (stream === undefined) {
      if (this.isIdle(id)) throw new ProtocolError("STREAM_IDLE", "WINDOW_UPDATE");
      return;
    }
    if (increment === 0) throw new ProtocolError("WINDOW_ZERO_INCREMENT");
    this.sender.grantStream(stream, increment);
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
    this.#remove(stream);
    this.tellReset(stream, code, error);
  }

  #onLocalOver(stream: Stream): void {
    if (stream.isRemoteOver) this.#complete(stream);
    else if (this.#isServer) {
      // The reply is complete, so the rest of the request is of no use (RFC 9113 section 8.1).
      this.sender.reset(stream, ErrorCode.NO_ERROR);
    }
  }

  #complete(stream: Stream): void {
    if (stream.isClosed) return;
    this.#resets.refund();
    this.#remove(stream);
    this.onStreamOver();
  }

  #onOwnReset(stream: Stream): void {
    if (stream.id !== 0) this.resetStreams.add(stream.id);
    this.#remove(stream);
    this.onStreamOver();
  }

  #remove(stream: Stream): void {
    stream.isClosed = true;
    this.streams.delete(stream.id);
    this.sender.forget(stream);
    this.#flow.release(stream);
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

  // The peer broke the protocol on one stream. Cheap for the peer and dear for us, so it counts like a reset of its own.
  #failStream(id: number, error: ProtocolError): void {
    if (!this.#resets.spend()) {
      this.#fail(new ProtocolError("TOO_MANY_RESETS", error.message));
      return;
    }
    this.sender.resetId(id, error.errorCode);
    this.resetStreams.add(id);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.#remove(stream);
    this.tellReset(stream, error.errorCode, error);
    this.onStreamOver();
  }

  /** A frame came for a stream that is not there: dropped if we reset it, as it was under way; a fault otherwise. */
  #refuseClosed(id: number): void {
    if (this.isIdle(id)) throw new ProtocolError("STREAM_IDLE");
    if (!this.resetStreams.has(id)) throw new ProtocolError("STREAM_OVER");
  }

  // Budgets.

  #chargeReset(): void {
    if (!this.#resets.spend()) throw new ProtocolError("TOO_MANY_RESETS");
  }

  #chargeControl(): void {
    if (!this.#controls.spend()) throw new ProtocolError("TOO_MANY_CONTROLS");
  }

  #chargeIdleFrame(): void {
    if (!this.#idleFrames.spend()) throw new ProtocolError("TOO_MANY_IDLE_FRAMES");
  }

  // Looks for what does not move, only while something waits.
  #watch(): void {
    if (this.#sweeper !== undefined || this.isClosed) return;
    this.#sweptOutput = -1;
    this.#sweeper = setInterval(() => this.#sweep(), this.options.limits.stallTimeoutMs);
    this.#sweeper.unref();
  }

  #sweep(): void {
    const isWaiting = this.sender.waiting.length > 0;
    const unsent = this.socket.writableLength;
    if (!isWaiting && unsent === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
      return;
    }
    // Not one write was taken since the last look: the peer does not read at all.
    if (unsent > 0 && unsent === this.#sweptOutput) {
      this.#abandon();
      return;
    }
    this.#sweptOutput = unsent > 0 ? unsent : -1;
    if (!this.#isServer) return;
    for (const stream of this.sender.findStalled()) this.#failStream(stream.id, new ProtocolError("STREAM_STALLED"));
  }

  // Words would only join what the peer does not read.
  #abandon(): void {
    const error = connectionClosed(ErrorCode.ENHANCE_YOUR_CALM, new ProtocolError("STALLED"));
    this.#end(ErrorCode.ENHANCE_YOUR_CALM, error, error);
    this.socket.destroy();
  }
}

function hasAllBytes(stream: Stream): boolean {
  return stream.receivedBytes === stream.promisedBytes || stream.isHead;
}

function formatPeer(socket: Duplex): string {
  const { remoteAddress, remotePort } = socket as { remoteAddress?: string; remotePort?: number };
  if (remoteAddress === undefined) return "";
  return remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
