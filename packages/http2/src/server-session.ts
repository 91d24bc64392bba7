import type { Duplex } from "node:stream";
import { ErrorCode } from "./error-code.ts";
import { ProtocolError } from "./errors.ts";
import { type HeaderBlock, type HeaderFields, MessageKind } from "./hpack/header-block.ts";
import { clientPreface } from "./preface.ts";
import { Session } from "./session.ts";
import { resolveSessionOptions, type SessionOptions } from "./session-options.ts";
import { Setting } from "./settings.ts";
import { type ServerStream, Stream, type StreamListener } from "./stream.ts";

export interface ServerSessionOptions extends SessionOptions {
  /**
   * A request began; its headers are legal HTTP, pseudo-headers first. The list may be the very one an earlier request had:
   * it is read-only, and what was found out about it may be kept by identity.
   */
  accept: (stream: ServerStream, fields: HeaderFields) => StreamListener;
  /**
   * A request came whose header list is over the limit; `fields` has its beginning. Replies something. Default: 431.
   */
  refuse?: (stream: ServerStream, fields: HeaderFields) => void;
}

const noFields: HeaderFields = [];
const largestStreamId = 0x7fffffff;

function refuseWith431(stream: ServerStream): void {
  stream.sendHeaders([":status", "431"], true);
}

/** The server's end of a connection. It begins with its construction and ends with the socket. */
export class ServerSession extends Session {
  readonly #accept: (stream: ServerStream, fields: HeaderFields) => StreamListener;
  readonly #refuse: (stream: ServerStream, fields: HeaderFields) => void;
  #prefaceBytes = 0;
  #prefaceTimer: NodeJS.Timeout | undefined;
  // The highest number that was opened; lastPeerId is the highest that was looked at.
  #highestId = 0;
  // Streams above are not looked at any more: GOAWAY named this one as the last.
  #lastAcceptedId = largestStreamId;

  constructor(socket: Duplex, options: ServerSessionOptions) {
    const resolved = resolveSessionOptions(options);
    super(socket, true, resolved);
    this.#accept = options.accept;
    this.#refuse = options.refuse ?? refuseWith431;
    const { maxConcurrentStreams, maxHeaderListBytes, prefaceTimeoutMs } = resolved.limits;
    this.#prefaceTimer = setTimeout(() => this.fail(new ProtocolError("PREFACE_TIMEOUT")), prefaceTimeoutMs);
    this.#prefaceTimer.unref();
    this.start([
      [Setting.MAX_CONCURRENT_STREAMS, maxConcurrentStreams],
      [Setting.INITIAL_WINDOW_SIZE, this.options.streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListBytes],
    ]);
  }

  /**
   * Takes no more streams; the open ones may finish, then the connection closes. In two steps (RFC 9113 section 6.8): first
   * the peer learns that it should open no more, and a round trip later, when what was under way has arrived, which stream was
   * the last. So none is lost. A peer that does not answer, or a stream that does not end, keeps the connection open: call
   * destroy when you have waited long enough.
   */
  override close(): void {
    if (!this.isOpen) return;
    this.isGoingAway = true;
    this.sender.goAway(largestStreamId, ErrorCode.NO_ERROR, "");
    this.ping(() => {
      this.#lastAcceptedId = this.lastPeerId;
      this.sender.goAway(this.lastPeerId, ErrorCode.NO_ERROR, "");
      this.#finishWhenIdle();
    });
  }

  protected override readPreface(chunk: Buffer): number {
    if (this.#prefaceBytes === clientPreface.length) return 0;
    let at = 0;
    while (at < chunk.length && this.#prefaceBytes < clientPreface.length) {
      if (chunk[at++] !== clientPreface[this.#prefaceBytes++]) throw new ProtocolError("PREFACE");
    }
    return this.#prefaceBytes === clientPreface.length ? at : -1;
  }

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.#highestId;
  }

  protected override onPeerSettings(): void {
    clearTimeout(this.#prefaceTimer);
  }

  protected override onHeaderBlock(id: number, isEnd: boolean, block: HeaderBlock): void {
    const open = this.find(id);
    if (open !== undefined) {
      this.#onTrailers(open, isEnd, block);
      return;
    }
    if ((id & 1) === 0) throw new ProtocolError("STREAM_ID_PARITY");
    if (id <= this.#highestId) {
      if (this.resetStreams.has(id)) return;
      throw new ProtocolError("STREAM_OVER");
    }
    this.#highestId = id;
    if (id > this.#lastAcceptedId) {
      // The client knows that it was not looked at; so what belongs to it is no fault either.
      this.resetStreams.add(id);
      return;
    }
    this.lastPeerId = id;
    if (this.streams.size >= this.options.limits.maxConcurrentStreams) throw new ProtocolError("STREAM_LIMIT");
    const verdict = block.judge(MessageKind.REQUEST);
    if (verdict.flaw !== undefined && !block.isTooLarge) throw new ProtocolError("MALFORMED", verdict.flaw);
    if (isEnd && verdict.contentLength > 0) throw new ProtocolError("CONTENT_LENGTH", "no data");

    const stream = new Stream(id, this.sender, this.sender.settings.initialWindowBytes);
    stream.hasReceivedHeaders = true;
    stream.isRemoteOver = isEnd;
    stream.promisedBytes = verdict.contentLength;
    this.add(stream);
    try {
      if (block.isTooLarge) this.#refuse(stream, block.fields);
      else stream.listener = this.#accept(stream, block.fields);
    } catch (error) {
      this.onListenerError(stream, error);
    }
    if (isEnd) this.endRemote(stream, noFields);
  }

  protected override onBrokenHeaders(id: number): void {
    if (id <= this.#highestId) return;
    this.#highestId = id;
    this.lastPeerId = id;
  }

  #onTrailers(stream: Stream, isEnd: boolean, block: HeaderBlock): void {
    if (stream.isRemoteOver) throw new ProtocolError("STREAM_HALF_CLOSED");
    if (!isEnd) throw new ProtocolError("TRAILERS_WITHOUT_END");
    if (block.isTooLarge) throw new ProtocolError("HEADERS_TOO_LARGE", `${block.listBytes} bytes`);
    const { flaw } = block.judge(MessageKind.TRAILERS);
    if (flaw !== undefined) throw new ProtocolError("MALFORMED", flaw);
    if (stream.promisedBytes >= 0 && stream.promisedBytes !== stream.receivedBytes) {
      throw new ProtocolError("CONTENT_LENGTH", `${stream.receivedBytes} of ${stream.promisedBytes} bytes`);
    }
    this.endRemote(stream, block.fields);
  }

  // A client's goodbye is about streams that we would open, and we open none.
  protected override onPeerGoAway(_lastId: number, code: number, debug: string): void {
    this.options.onGoAway(code, debug);
  }

  protected override onStreamOver(): void {
    if (this.isGoingAway) this.#finishWhenIdle();
  }

  protected override onEnd(): void {
    clearTimeout(this.#prefaceTimer);
  }

  #finishWhenIdle(): void {
    if (this.streams.size === 0 && this.#lastAcceptedId !== largestStreamId) this.finish();
  }
}
