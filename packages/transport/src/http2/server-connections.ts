import type { Socket } from "node:net";
import { ErrorCode, type HeaderFields, ServerSession, type ServerStream, type StreamListener } from "@clew/http2";
import type { Peer } from "@clew/rpc";
import { longestTimerMs, type Protocol, type ResolvedListenerOptions } from "../listener.ts";
import { peerOf } from "../peer.ts";
import { KeepAlive } from "./keepalive.ts";
import { PingPolicy } from "./ping-policy.ts";

/** Options of a server's HTTP/2 connections, in addition to ListenerOptions. Names and defaults are those of gRPC. */
export interface ServerConnectionOptions {
  /** The maximum number of open calls on one connection. Default: 1000. */
  maxConcurrentCalls?: number;
  /**
   * How much memory incomplete data may use on one connection, in bytes. It counts messages of gRPC, Connect and gRPC-Web and
   * bodies of HTTP/JSON that are larger than 256 KiB and not complete yet. Data that does not fit waits, by flow control; a
   * message larger than the limit is received alone. Default: 32 MiB.
   */
  maxUnfinishedBytes?: number;
  /**
   * How much reply data may wait on one connection for a caller that reads more slowly than the replies are made, in bytes. A
   * reply beyond it is reset with ENHANCE_YOUR_CALM, unless it has at most 64 KiB or is the only one that waits. Default: 1 GiB.
   */
  maxUnsentBytes?: number;
  /**
   * The age at which a connection is closed, plus or minus a tenth, in milliseconds; its open calls may end. 0 for never.
   * Default: 0.
   */
  maxConnectionAgeMs?: number;
  /** How long the open calls may continue after that, in milliseconds; 0 for no limit. Default: 0. */
  maxConnectionAgeGraceMs?: number;
  /** A connection on which nothing arrived for this time is pinged, in milliseconds; 0 for never. Default: 2 hours. */
  keepaliveTimeMs?: number;
  /** The connection is closed when nothing arrives for this time after the ping, in milliseconds. Default: 20_000. */
  keepaliveTimeoutMs?: number;
  /**
   * The minimum time between two pings of a client, in milliseconds. Default: 10_000, because browsers and proxies ping too; for a
   * GrpcServer, 5 minutes.
   */
  minPingIntervalMs?: number;
  /**
   * Allow clients to ping that often also without an open call, instead of once in 2 hours. Default: true; for a GrpcServer, false.
   */
  allowPingsWithoutCalls?: boolean;
}

type ResolvedOptions = Required<ServerConnectionOptions> &
  Pick<ResolvedListenerOptions, "headerLimitBytes" | "headerTimeoutMs" | "maxConnectionIdleMs" | "logger">;

function resolveServerConnectionOptions(
  options: ServerConnectionOptions,
  listener: ResolvedListenerOptions,
): ResolvedOptions {
  const { headerLimitBytes, headerTimeoutMs, maxConnectionIdleMs, logger } = listener;
  return {
    headerLimitBytes,
    headerTimeoutMs,
    maxConnectionIdleMs,
    logger,
    maxConcurrentCalls: options.maxConcurrentCalls ?? 1000,
    maxUnfinishedBytes: options.maxUnfinishedBytes ?? 32 * 1024 * 1024,
    maxUnsentBytes: options.maxUnsentBytes ?? 1024 * 1024 * 1024,
    maxConnectionAgeMs: options.maxConnectionAgeMs ?? 0,
    maxConnectionAgeGraceMs: options.maxConnectionAgeGraceMs ?? 0,
    keepaliveTimeMs: options.keepaliveTimeMs ?? 2 * 60 * 60 * 1000,
    keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 20_000,
    minPingIntervalMs: options.minPingIntervalMs ?? 10_000,
    allowPingsWithoutCalls: options.allowPingsWithoutCalls ?? true,
  };
}

/** Answers the streams of HTTP/2 connections. */
export interface StreamHandler {
  /** A request came from `peer`. */
  accept(stream: ServerStream, fields: HeaderFields, peer: Peer): StreamListener;
  /** A request came whose headers are over the limit; `fields` has their beginning. */
  refuse(stream: ServerStream, fields: HeaderFields): void;
}

// How often in its time an idle connection is looked for.
const idleLooks = 4;

/** The HTTP/2 connections of a server, whatever its streams carry. */
export class ServerConnections implements Protocol {
  readonly #options: ResolvedOptions;
  readonly #handler: StreamHandler;
  readonly #connections: Set<ServerConnection> = new Set();
  #isDraining = false;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(handler: StreamHandler, listener: ResolvedListenerOptions, options: ServerConnectionOptions = {}) {
    this.#handler = handler;
    this.#options = resolveServerConnectionOptions(options, listener);
  }

  add(socket: Socket, head: Buffer | undefined): void {
    const connection = new ServerConnection(socket, head, this.#handler, this.#options);
    this.#connections.add(connection);
    socket.once("close", () => this.#forget(connection));
    if (this.#isDraining) connection.session.close();
    else this.#watch();
  }

  /** Lets no connection take another stream; each closes when its open ones are over. */
  drain(): void {
    this.#isDraining = true;
    for (const { session } of this.#connections) session.close();
  }

  /** Closes every connection, when what was written to it is out. */
  cutOff(): void {
    for (const { session } of this.#connections) session.destroy();
  }

  #forget(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  // One timer looks for what is idle among all connections.
  #watch(): void {
    const { maxConnectionIdleMs } = this.#options;
    if (maxConnectionIdleMs === 0 || this.#sweeper !== undefined) return;
    const look = (): void => {
      for (const connection of this.#connections) connection.lookForIdleness();
    };
    this.#sweeper = setInterval(look, Math.ceil(maxConnectionIdleMs / idleLooks)).unref();
  }
}

/** One connection, and what ends it: its age, idleness, silence, or pings without end. */
class ServerConnection {
  readonly session: ServerSession;
  readonly #socket: Socket;
  readonly #pings: PingPolicy;
  #ageTimer: NodeJS.Timeout | undefined;
  /** Requests so far, and how many they were at the last look. */
  #accepted = 0;
  #seen = 0;
  #idleLooks = 0;

  constructor(socket: Socket, head: Buffer | undefined, handler: StreamHandler, options: ResolvedOptions) {
    const { headerLimitBytes, headerTimeoutMs, maxConcurrentCalls, maxUnfinishedBytes, maxUnsentBytes } = options;
    this.#socket = socket;
    this.#pings = new PingPolicy({
      minIntervalMs: options.minPingIntervalMs,
      withoutCalls: options.allowPingsWithoutCalls,
    });
    const peer = peerOf(socket);
    this.session = new ServerSession(socket, {
      head,
      limits: {
        maxHeaderListBytes: headerLimitBytes,
        maxConcurrentStreams: maxConcurrentCalls,
        maxUnfinishedBytes,
        maxUnsentBytes,
        prefaceTimeoutMs: headerTimeoutMs || longestTimerMs,
      },
      accept: (stream, fields) => {
        this.#accepted++;
        return handler.accept(stream, fields, peer);
      },
      refuse: (stream, fields) => {
        this.#accepted++;
        handler.refuse(stream, fields);
      },
      onPing: () => this.#onPing(),
      // One stream is lost, not the process.
      onListenerError: (error) => options.logger.error("HTTP/2: a stream failed", { error }),
    });
    if (options.keepaliveTimeMs > 0) {
      const { keepaliveTimeMs: timeMs, keepaliveTimeoutMs: timeoutMs } = options;
      new KeepAlive(this.session, socket, { timeMs, timeoutMs, withoutCalls: true });
    }
    if (options.maxConnectionAgeMs === 0) return;
    this.#limitAge(options.maxConnectionAgeMs, options.maxConnectionAgeGraceMs);
    socket.once("close", () => clearTimeout(this.#ageTimer));
  }

  /** To be called {@link idleLooks} times in the time that a connection may be idle; the last call that finds it so closes it. */
  lookForIdleness(): void {
    const isIdle = this.session.openStreams === 0 && this.#accepted === this.#seen;
    this.#seen = this.#accepted;
    this.#idleLooks = isIdle ? this.#idleLooks + 1 : 0;
    if (this.#idleLooks < idleLooks) return;
    this.#idleLooks = 0;
    if (this.session.isOpen) this.session.close();
    // It was told to go a whole time ago, and did not even answer.
    else this.#socket.destroy();
  }

  // The tenth keeps connections that were made together from coming back together.
  #limitAge(ageMs: number, graceMs: number): void {
    this.#ageTimer = setTimer(ageMs * (0.9 + 0.2 * Math.random()), () => {
      this.session.close();
      if (graceMs > 0) this.#ageTimer = setTimer(graceMs, () => this.session.destroy());
    });
  }

  #onPing(): void {
    if (!this.session.isOpen) return;
    if (this.#pings.isTooMany(performance.now(), this.session.openStreams, this.#socket.bytesWritten)) {
      this.session.destroy(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings");
    }
  }
}

function setTimer(ms: number, then: () => void): NodeJS.Timeout {
  return setTimeout(then, Math.min(ms, longestTimerMs)).unref();
}
