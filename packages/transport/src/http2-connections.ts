import type { Socket } from "node:net";
import { type HeaderFields, ServerSession, type ServerStream, type StreamListener } from "@clew/http2";
import type { Peer } from "@clew/rpc";
import { longestTimerMs, type Protocol, type ResolvedListenerOptions } from "./listener.ts";
import { peerOf } from "./peer.ts";

/** Answers the streams of HTTP/2 connections. */
export interface StreamHandler {
  /** A request came from `peer`. */
  accept(stream: ServerStream, fields: HeaderFields, peer: Peer): StreamListener;
  /** A request came whose headers are over the limit; `fields` has their beginning. */
  refuse(stream: ServerStream, fields: HeaderFields): void;
}

interface Connection {
  readonly session: ServerSession;
  readonly socket: Socket;
  /** Requests so far. */
  accepted: number;
  /** {@link accepted} at the last look at an idle connection, -1 when it was busy. */
  sweptAt: number;
}

/** The HTTP/2 connections of a server. */
export class Http2Connections implements Protocol {
  readonly #handler: StreamHandler;
  readonly #options: ResolvedListenerOptions;
  readonly #connections: Set<Connection> = new Set();
  #isDraining = false;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(handler: StreamHandler, options: ResolvedListenerOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  add(socket: Socket, head: Buffer | undefined): void {
    const handler = this.#handler;
    const { headerLimitBytes, headerTimeoutMs, logger } = this.#options;
    const peer = peerOf(socket);
    const session = new ServerSession(socket, {
      head,
      limits: { maxHeaderListBytes: headerLimitBytes, prefaceTimeoutMs: headerTimeoutMs || longestTimerMs },
      accept: (stream, fields) => {
        connection.accepted++;
        return handler.accept(stream, fields, peer);
      },
      refuse: (stream, fields) => {
        connection.accepted++;
        handler.refuse(stream, fields);
      },
      // One stream is lost, not the process.
      onListenerError: (error) => logger.error("HTTP/2: a stream failed", { error }),
    });
    const connection: Connection = { session, socket, accepted: 0, sweptAt: -1 };
    this.#connections.add(connection);
    socket.once("close", () => this.#forget(connection));
    if (this.#isDraining) session.close();
    else this.#watch();
  }

  /** Lets no connection take another stream; each closes when its open ones are over. */
  drain(): void {
    this.#isDraining = true;
    for (const { session } of this.#connections) session.close();
  }

  /** Closes every connection; what was written to it still goes out. */
  cutOff(): void {
    for (const { session } of this.#connections) session.destroy();
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  // One timer for all connections: one that had no request from one look to the next is idle.
  #watch(): void {
    const { keepAliveTimeoutMs } = this.#options;
    if (keepAliveTimeoutMs === 0 || this.#sweeper !== undefined) return;
    this.#sweeper = setInterval(() => this.#sweep(), keepAliveTimeoutMs).unref();
  }

  #sweep(): void {
    for (const connection of this.#connections) {
      const { session, socket, accepted, sweptAt } = connection;
      if (session.openStreams > 0) connection.sweptAt = -1;
      else if (accepted !== sweptAt) connection.sweptAt = accepted;
      // It was told to go a whole time ago, and did not even answer.
      else if (!session.isOpen) socket.destroy();
      else session.close();
    }
  }
}
