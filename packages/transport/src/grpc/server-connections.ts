import type { Duplex } from "node:stream";
import { type HeaderFields, ServerSession, type ServerStream, type StreamListener } from "@clew/http2";

export interface ServerConnectionsOptions {
  /** Answers a stream. */
  readonly accept: (stream: ServerStream, headers: HeaderFields) => StreamListener;
  /** Answers a stream whose headers are over the limit. */
  readonly refuse: (stream: ServerStream, headers: HeaderFields) => void;
  /** The largest header list to accept, in bytes as RFC 9113 section 6.5.2 counts them. */
  readonly maxHeaderBytes: number;
}

/** The HTTP/2 connections of a server, from whatever listener they come. */
export class ServerConnections {
  readonly #options: ServerConnectionsOptions;
  readonly #sessions: Map<ServerSession, Duplex> = new Map();
  #isDraining = false;

  constructor(options: ServerConnectionsOptions) {
    this.#options = options;
  }

  /** Speaks HTTP/2 on a socket; `head` is what was read from it before. */
  add(socket: Duplex, head?: Buffer): void {
    const { accept, refuse, maxHeaderBytes } = this.#options;
    const session = new ServerSession(socket, {
      accept,
      refuse,
      head,
      limits: { maxHeaderListBytes: maxHeaderBytes },
    });
    this.#sessions.set(session, socket);
    socket.once("close", () => this.#sessions.delete(session));
    if (this.#isDraining) session.close();
  }

  /** Lets no connection take another stream; each closes when its open ones are over. */
  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions.keys()) session.close();
  }

  /** Closes every connection, when what was written to it is out. */
  destroy(): void {
    for (const session of this.#sessions.keys()) session.destroy();
  }
}
