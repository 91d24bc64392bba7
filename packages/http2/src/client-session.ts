import type { Duplex } from "node:stream";
import { ErrorCode } from "./error-code.ts";
import { ProtocolError, sessionNotOpen, wentAway } from "./errors.ts";
import { type HeaderBlock, type HeaderFields, MessageKind } from "./hpack/header-block.ts";
import { clientPreface } from "./preface.ts";
import { Session } from "./session.ts";
import { resolveSessionOptions, type SessionOptions } from "./session-options.ts";
import { Setting } from "./settings.ts";
import { type ClientStream, type ClientStreamListener, Stream } from "./stream.ts";

export interface ClientSessionOptions extends SessionOptions {}

const noFields: HeaderFields = [];
const largestStreamId = 0x7fffffff;
// What a server should at least take (RFC 9113 section 6.5.2); assumed until its SETTINGS say better.
const assumedConcurrentStreams = 100;

/**
 * The client's end of a connection. It begins with its construction, on a socket that is connected or about to be, and ends
 * with the socket. While it has no stream it does not keep the process alive.
 */
export class ClientSession extends Session {
  #nextId = 1;
  // Streams for which the server has no place yet, in the order they were opened.
  #waiting: Stream[] = [];
  // How many of them were given up meanwhile.
  #givenUp = 0;
  #isHolding = true;

  constructor(socket: Duplex, options: ClientSessionOptions = {}) {
    super(socket, false, resolveSessionOptions(options));
    this.sender.output.append(clientPreface);
    this.start([
      [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, this.options.streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, this.options.limits.maxHeaderListBytes],
    ]);
    this.#hold();
  }

  override get isOpen(): boolean {
    return super.isOpen && this.#nextId <= largestStreamId;
  }

  /**
   * Sends a request; with `body` all of it, in one write where the windows allow it. When the server takes no more streams for
   * now, it waits for another one to end.
   *
   * @throws TypeError CLEW_HTTP2_SESSION_CLOSED while not {@link isOpen}, CLEW_HTTP2_HEADER_NAME, CLEW_HTTP2_HEADER_VALUE.
   */
  openStream(fields: HeaderFields, body: Uint8Array | undefined, listener: ClientStreamListener): ClientStream {
    if (!this.isOpen) throw sessionNotOpen();
    const stream = new Stream(0, this.sender, 0);
    stream.listener = listener;
    for (let i = 0; i < fields.length && fields[i]!.charCodeAt(0) === 0x3a; i += 2) {
      if (fields[i + 1] === "HEAD" && fields[i] === ":method") stream.isHead = true;
    }
    if (this.#hasRoom() && this.#waiting.length === 0) {
      this.#launch(stream, fields, body !== undefined && body.length === 0);
    } else {
      this.sender.check(fields);
      stream.hasSentHeaders = true;
      stream.opening = fields;
      this.#waiting.push(stream);
    }
    this.#hold();
    if (body !== undefined && !stream.isFinished) this.sender.sendData(stream, body, true);
    return stream;
  }

  override close(): void {
    if (this.isClosed) return;
    this.isGoingAway = true;
    this.#finishWhenIdle();
  }

  protected override readPreface(): number {
    return 0;
  }

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.#nextId;
  }

  protected override onPeerSettings(): void {
    this.#launchWaiting();
  }

  protected override onHeaderBlock(id: number, isEnd: boolean, block: HeaderBlock): void {
    const stream = this.find(id);
    if (stream === undefined) {
      if (this.isIdle(id)) throw new ProtocolError("STREAM_IDLE", "HEADERS");
      if (!this.resetStreams.has(id)) throw new ProtocolError("STREAM_OVER");
      return;
    }
    if (stream.isRemoteOver) throw new ProtocolError("STREAM_HALF_CLOSED");
    if (block.isTooLarge) throw new ProtocolError("HEADERS_TOO_LARGE", `${block.listBytes} bytes`);
    if (stream.hasReceivedHeaders) this.#onTrailers(stream, isEnd, block);
    else this.#onResponse(stream, isEnd, block);
  }

  #onResponse(stream: Stream, isEnd: boolean, block: HeaderBlock): void {
    const { flaw, status, contentLength } = block.judge(MessageKind.RESPONSE);
    if (flaw !== undefined) throw new ProtocolError("MALFORMED", flaw);
    const { listener } = stream;
    if (status < 200) {
      // 101 does not exist in HTTP/2 (RFC 9113 section 8.6), and an informational response ends nothing (section 8.1).
      if (status === 101 || isEnd) throw new ProtocolError("MALFORMED", `an informational response ${status}`);
      this.#tell(stream, () => listener.onInformation?.(block.fields));
      return;
    }
    stream.hasReceivedHeaders = true;
    stream.isRemoteOver = isEnd;
    // 204 has no content, and 304 only speaks of it (RFC 9110 section 8.6).
    if (status === 204 || status === 304) stream.isHead = true;
    stream.promisedBytes = contentLength;
    if (isEnd && contentLength > 0 && !stream.isHead) {
      stream.isRemoteOver = false;
      throw new ProtocolError("CONTENT_LENGTH", "no data");
    }
    try {
      listener.onHeaders?.(block.fields);
    } catch (error) {
      this.onListenerError(stream, error);
    }
    if (isEnd) this.endRemote(stream, noFields);
  }

  #onTrailers(stream: Stream, isEnd: boolean, block: HeaderBlock): void {
    if (!isEnd) throw new ProtocolError("TRAILERS_WITHOUT_END");
    const { flaw } = block.judge(MessageKind.TRAILERS);
    if (flaw !== undefined) throw new ProtocolError("MALFORMED", flaw);
    if (stream.promisedBytes >= 0 && stream.promisedBytes !== stream.receivedBytes && !stream.isHead) {
      throw new ProtocolError("CONTENT_LENGTH", `${stream.receivedBytes} of ${stream.promisedBytes} bytes`);
    }
    this.endRemote(stream, block.fields);
  }

  #tell(stream: Stream, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.onListenerError(stream, error);
    }
  }

  // What is above the last stream was not looked at, and may be sent again elsewhere: REFUSED_STREAM says so.
  protected override onPeerGoAway(lastId: number, code: number, debug: string): void {
    this.isGoingAway = true;
    const error = wentAway(code, debug);
    this.#refuseWaiting(error);
    for (const stream of this.streams.list()) {
      if (stream.id > lastId) this.drop(stream, ErrorCode.REFUSED_STREAM, error);
    }
    this.options.onGoAway(code, debug);
    this.#finishWhenIdle();
  }

  protected override onStreamOver(): void {
    if (this.#waiting.length > 0) this.#launchWaiting();
    if (this.streams.size > 0 || this.#hasWaiting()) return;
    if (this.isGoingAway) this.#finishWhenIdle();
    this.#hold();
  }

  protected override onEnd(_code: number, error: Error): void {
    this.#refuseWaiting(error);
  }

  // A server may never take another stream; what nobody waits for any more is not kept for it.
  protected override remove(stream: Stream): void {
    super.remove(stream);
    if (stream.id !== 0) return;
    if (2 * ++this.#givenUp <= this.#waiting.length) return;
    this.#waiting = this.#waiting.filter(({ isClosed }) => !isClosed);
    this.#givenUp = 0;
  }

  #hasWaiting(): boolean {
    return this.#waiting.length > this.#givenUp;
  }

  #hasRoom(): boolean {
    const limit = this.hasPeerSettings ? this.sender.settings.maxConcurrentStreams : assumedConcurrentStreams;
    return this.streams.size < limit;
  }

  #launch(stream: Stream, fields: HeaderFields, isEnd: boolean): void {
    stream.id = this.#nextId;
    stream.sendWindow = this.sender.settings.initialWindowBytes;
    try {
      this.sender.open(stream, fields, isEnd);
    } catch (error) {
      stream.id = 0;
      throw error;
    }
    this.#nextId += 2;
    this.add(stream);
  }

  #launchWaiting(): void {
    while (this.#waiting.length > 0 && this.#hasRoom() && !this.isClosed) {
      const stream = this.#waiting.shift()!;
      if (stream.isClosed) {
        this.#givenUp--;
        continue;
      }
      const isEnd = stream.isFinished && stream.pendingBytes === 0 && stream.pendingTrailers === undefined;
      if (isEnd) this.sender.forget(stream);
      this.#launch(stream, stream.opening!, isEnd);
      stream.opening = undefined;
      this.sender.start(stream);
    }
  }

  #refuseWaiting(error: Error): void {
    this.#givenUp = 0;
    for (const stream of this.#waiting.splice(0)) {
      if (stream.isClosed) continue;
      this.sender.forget(stream);
      this.tellReset(stream, ErrorCode.REFUSED_STREAM, error);
    }
  }

  #finishWhenIdle(): void {
    if (this.isClosed || this.streams.size > 0 || this.#hasWaiting()) return;
    this.sender.goAway(0, ErrorCode.NO_ERROR, "");
    this.finish();
  }

  // A connection in use keeps the process alive, an idle one does not.
  #hold(): void {
    const isInUse = this.streams.size > 0 || this.#hasWaiting();
    if (isInUse === this.#isHolding) return;
    this.#isHolding = isInUse;
    const socket = this.socket as { ref?: () => void; unref?: () => void };
    if (isInUse) socket.ref?.();
    else socket.unref?.();
  }
}
