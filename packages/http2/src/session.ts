import type { Duplex } from "node:stream";
import { Connection } from "./connection.ts";
import { ProtocolError } from "./errors.ts";
import { defaultWindowBytes } from "./flow-control.ts";
import { defaultMaxFrameBytes, Flag, FrameType, readUint31, readUint32 } from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { type AssembledBlock, HeaderAssembly } from "./header-assembly.ts";
import { Decoder } from "./hpack/decoder.ts";
import type { HeaderBlock, HeaderFields } from "./hpack/header-block.ts";
import { Pings } from "./pings.ts";
import type { ResolvedSessionOptions } from "./session-options.ts";
import { encodeSettings } from "./settings.ts";
import type { Stream } from "./stream.ts";

const noFields: HeaderFields = [];
const nothing: Buffer = Buffer.alloc(0);

/**
 * One end of a connection: what server and client have in common. What the socket read becomes frames; each is checked, charged
 * to the peer's budgets where it costs more than it brings, and told to its stream. A peer's fault costs its stream or the
 * connection, as the table in errors.ts says, and never reaches user code as an exception.
 */
export abstract class Session extends Connection implements FrameSink {
  protected hasPeerSettings = false;
  readonly #reader: FrameReader;
  readonly #headers: HeaderAssembly;
  readonly #decoder: Decoder;
  readonly #pings: Pings;
  #settingsSentAt = 0;
  #roundTripMs = 0;

  constructor(socket: Duplex, isServer: boolean, options: ResolvedSessionOptions) {
    super(socket, isServer, options);
    this.#reader = new FrameReader(this, defaultMaxFrameBytes);
    this.#headers = new HeaderAssembly(options.limits);
    this.#decoder = new Decoder(options.limits.maxHeaderListBytes);
    this.#pings = new Pings(options.now);
  }

  override get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** Asks for a sign of life; `onAnswer` is called with the round trip when it comes, and never if the connection ends. */
  ping(onAnswer: (roundTripMs: number) => void): void {
    if (this.isClosed) return;
    this.sender.control(FrameType.PING, Flag.NONE, this.#pings.ask(onAnswer));
  }

  /** Takes no more streams; the open ones may finish, then the connection closes. */
  abstract close(): void;

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

  /** Says hello: our settings, and the connection's window. */
  protected start(settings: readonly (readonly [number, number])[]): void {
    this.sender.control(FrameType.SETTINGS, Flag.NONE, encodeSettings(settings));
    this.#settingsSentAt = this.now();
    const more = this.options.connectionWindowBytes - defaultWindowBytes;
    if (more > 0) this.sender.updateWindow(0, more);
  }

  protected override receive(chunk: Buffer): void {
    const at = this.readPreface(chunk);
    if (at >= 0) this.#reader.push(at === 0 ? chunk : chunk.subarray(at));
  }

  protected override stopReceiving(): void {
    this.#reader.stop();
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
      if (error instanceof ProtocolError && error.scope === "stream") this.failStream(id, error);
      else this.fail(error);
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
    else this.idleFrames.refund();
    if (!this.flow.receive(length)) throw new ProtocolError("WINDOW_EXCEEDED_CONNECTION");

    const stream = this.find(id);
    if (stream === undefined) {
      this.flow.use(length);
      this.#refuseClosed(id);
      return;
    }
    if (stream.isRemoteOver || !stream.hasReceivedHeaders) {
      this.flow.use(length);
      throw new ProtocolError(stream.isRemoteOver ? "STREAM_HALF_CLOSED" : "DATA_BEFORE_HEADERS");
    }
    if (!this.flow.receiveOn(stream, length)) {
      this.flow.use(length);
      throw new ProtocolError("WINDOW_EXCEEDED");
    }
    stream.receivedBytes += end - start;
    if (stream.promisedBytes >= 0 && (stream.receivedBytes > stream.promisedBytes || (isEnd && !hasAllBytes(stream)))) {
      this.flow.use(length);
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
    this.flow.deliver(stream, length);
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
    if (this.isServer ? !stream.hasSentHeaders : !stream.isRemoteOver) this.#chargeReset();
    this.remove(stream);
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
    this.sender.applySettings(bytes, start, end, this.isServer, this.streams.list());
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

  /** A frame came for a stream that is not there: dropped if we reset it, as it was under way; a fault otherwise. */
  #refuseClosed(id: number): void {
    if (this.isIdle(id)) throw new ProtocolError("STREAM_IDLE");
    if (!this.resetStreams.has(id)) throw new ProtocolError("STREAM_OVER");
  }

  // Budgets.

  #chargeReset(): void {
    if (!this.resets.spend()) throw new ProtocolError("TOO_MANY_RESETS");
  }

  #chargeControl(): void {
    if (!this.controls.spend()) throw new ProtocolError("TOO_MANY_CONTROLS");
  }

  #chargeIdleFrame(): void {
    if (!this.idleFrames.spend()) throw new ProtocolError("TOO_MANY_IDLE_FRAMES");
  }
}

function hasAllBytes(stream: Stream): boolean {
  return stream.receivedBytes === stream.promisedBytes || stream.isHead;
}
