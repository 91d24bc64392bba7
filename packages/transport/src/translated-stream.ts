import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";
import type { StreamHandler } from "./http2/server-connections.ts";

/** Answers the streams of one protocol. */
export type StreamAcceptor = Pick<StreamHandler, "accept">;

/** Listens to a stream that was answered already. */
export const deafListener: StreamListener = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

/**
 * A stream that speaks gRPC to its handler and another protocol to its caller. This one passes everything on as it is;
 * a protocol overrides what it says in other words.
 *
 *     caller ── onData, onEnd ──▶ TranslatedStream ── onData, onEnd ──▶ handler
 *     caller ◀── stream ───────── TranslatedStream ◀── send… ────────── handler
 */
export abstract class TranslatedStream implements ServerStream, StreamListener {
  /** Where the caller is. */
  protected readonly stream: ServerStream;
  /** Where the handler is. */
  protected handler: StreamListener = deafListener;

  constructor(stream: ServerStream) {
    this.stream = stream;
  }

  get id(): number {
    return this.stream.id;
  }

  get peer(): string {
    return this.stream.peer;
  }

  get isClosed(): boolean {
    return this.stream.isClosed;
  }

  get isRemoteOver(): boolean {
    return this.stream.isRemoteOver;
  }

  /** Gives the request to a handler. Returns this, to listen to the caller. */
  handleBy(handler: StreamListener): this {
    this.handler = handler;
    return this;
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  reserve(bytes: number): void {
    this.stream.reserve(bytes);
  }

  reset(code: number): void {
    this.stream.reset(code);
  }

  sendInformation(fields: HeaderFields): void {
    this.stream.sendInformation(fields);
  }

  sendEnd(): void {
    this.stream.sendEnd();
  }

  abstract sendHeaders(fields: HeaderFields, isEnd: boolean): void;

  sendData(bytes: Uint8Array, isEnd?: boolean): boolean {
    return this.stream.sendData(bytes, isEnd);
  }

  abstract sendTrailers(fields: HeaderFields): void;

  sendReply(headers: HeaderFields, bytes: Uint8Array, trailers: HeaderFields): void {
    this.sendHeaders(headers, false);
    this.sendData(bytes);
    this.sendTrailers(trailers);
  }

  onData(bytes: Buffer): void {
    this.handler.onData(bytes);
  }

  onEnd(trailers: HeaderFields): void {
    this.handler.onEnd(trailers);
  }

  onReset(code: number, error: Error | undefined): void {
    this.handler.onReset(code, error);
  }

  onDrain(): void {
    this.handler.onDrain();
  }
}
