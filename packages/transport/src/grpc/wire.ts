import type { Server as NetServer } from "node:net";
import type { SecureContextOptions } from "node:tls";

/**
 * HTTP/2 as gRPC needs it: the seam between this room and the engine that frames. An engine makes streams, calls the listener
 * of each stream as things arrive, and never calls it again after `onReset`, nor after `onEnd` once its own side ended.
 *
 *     server:  accept(stream, headers) ─▶ onData* ─▶ onEnd              sendHeaders ─▶ sendData* ─▶ sendTrailers, or sendReply
 *     client:  openStream(headers, body) ─▶ sendData* ─▶ sendEnd        onHeaders ─▶ onData* ─▶ onEnd(trailers)
 */

/** Header fields in order, flat: name, value, name, value. Names are in lower case; pseudo-headers come first. */
export type WireHeaders = readonly string[];

/** The error codes of HTTP/2 (RFC 9113 section 7). */
export const ResetCode = {
  NO_ERROR: 0,
  INTERNAL_ERROR: 2,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
} as const;

/** What both ends can do with a stream. After {@link reset} everything does nothing. */
export interface WireStream {
  /** `host:port` of the other end. */
  readonly peer: string;
  /** Asks the other end to send no more for now; what is under way, at most a flow-control window, may still arrive. */
  pause(): void;
  resume(): void;
  /** Sends bytes, which the engine then owns. False when enough is waiting: go on at `onDrain`. */
  sendData(bytes: Uint8Array): boolean;
  /** Ends the stream at once, both ways, with an error code of HTTP/2. */
  reset(code: number): void;
}

export interface ServerWireStream extends WireStream {
  /** The first headers, or with `isEnd` the only ones. */
  sendHeaders(headers: WireHeaders, isEnd: boolean): void;
  /** Ends the reply. */
  sendTrailers(trailers: WireHeaders): void;
  /** A whole reply, in one write where the engine can. */
  sendReply(headers: WireHeaders, bytes: Uint8Array, trailers: WireHeaders): void;
}

export interface ClientWireStream extends WireStream {
  /** Ends the request; the reply may go on. */
  sendEnd(): void;
}

/** What happens on a stream. */
export interface StreamListener {
  /** Bytes arrived; they belong to the listener. */
  onData(bytes: Uint8Array): void;
  /** The other end has sent everything; `trailers` is empty when there were none. */
  onEnd(trailers: WireHeaders): void;
  /** The stream is over before both ends had sent everything: reset, or with its connection, then with an error. */
  onReset(code: number, error: Error | undefined): void;
  /** More may be sent after {@link WireStream.sendData} answered false. */
  onDrain(): void;
}

export interface ClientStreamListener extends StreamListener {
  onHeaders(headers: WireHeaders): void;
}

export interface WireServerOptions {
  /** Speak TLS with this key and certificate; without, HTTP/2 over plain TCP with prior knowledge. */
  readonly tls: SecureContextOptions | undefined;
  /** The largest header list to accept, in bytes as RFC 9113 section 6.5.2 counts them. */
  readonly maxHeaderBytes: number;
  /** A request began. */
  readonly accept: (stream: ServerWireStream, headers: WireHeaders) => StreamListener;
}

export interface WireServer {
  /** The socket to listen with. */
  readonly listener: NetServer;
  /** Takes no more connections and no more streams (GOAWAY); resolves when the open streams are over and all is closed. */
  drain(): Promise<void>;
  /** Closes every connection at once. */
  destroy(): void;
}

export interface WireClientOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: SecureContextOptions | undefined;
  readonly maxHeaderBytes: number;
  /** How long connecting may take, in milliseconds. */
  readonly connectTimeoutMs: number;
}

/** A connection, on which many streams run side by side. While it has none, it does not keep the process alive. */
export interface WireSession {
  readonly peer: string;
  /** Whether it takes new streams: neither closed nor told to go away. */
  readonly isOpen: boolean;
  /** Sends a request; with `body` all of it, in one write where the engine can. */
  openStream(headers: WireHeaders, body: Uint8Array | undefined, listener: ClientStreamListener): ClientWireStream;
  /** Takes no more streams; resolves when the open ones are over and the connection is closed. */
  close(): Promise<void>;
}
