import type { Socket } from "node:net";
import { ErrorCode, type HeaderFields, ServerSession, type ServerStream, type StreamListener } from "@clew/http2";
import type { Peer } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";
import { longestTimerMs, type Protocol } from "../listener.ts";
import { peerOf } from "../peer.ts";
import { KeepAlive } from "./keepalive.ts";
import { PingPolicy } from "./ping-policy.ts";

/** How the connections of a server are kept. Names and defaults are gRPC's. */
export interface ServerConnectionOptions {
  /** The largest header list to accept, in bytes. Default: 16 KiB. */
  maxHeaderBytes?: number;
  /** How many calls one connection may have open. Default: 1000. */
  maxConcurrentCalls?: number;
  /** Close a connection that had no call for this long, in milliseconds; 0 for never. Default: 0. */
  maxConnectionIdleMs?: number;
  /** Close a connection at this age, give or take a tenth, in milliseconds; its open calls may end. 0 for never. Default: 0. */
  maxConnectionAgeMs?: number;
  /** How long the open calls have then, in milliseconds; 0 for as long as they need. Default: 0. */
  maxConnectionAgeGraceMs?: number;
  /** Ping a connection on which nothing arrived for this long, in milliseconds; 0 for never. Default: 2 hours. */
  keepaliveTimeMs?: number;
  /** Give the connection up when nothing arrives for this long after the ping, in milliseconds. Default: 20_000. */
  keepaliveTimeoutMs?: number;
  /** The least time that clients have to leave between their pings, in milliseconds. Default: 5 minutes. */
  minPingIntervalMs?: number;
  /** Let clients ping that often without an open call as well, instead of once in 2 hours. Default: false. */
  allowPingsWithoutCalls?: boolean;
}

type ResolvedOptions = Required<ServerConnectionOptions>;

function resolveServerConnectionOptions(options: ServerConnectionOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    maxHeaderBytes: options.maxHeaderBytes ?? 16 * 1024,
    maxConcurrentCalls: options.maxConcurrentCalls ?? 1000,
    maxConnectionIdleMs: options.maxConnectionIdleMs ?? 0,
    maxConnectionAgeMs: options.maxConnectionAgeMs ?? 0,
    maxConnectionAgeGraceMs: options.maxConnectionAgeGraceMs ?? 0,
    keepaliveTimeMs: options.keepaliveTimeMs ?? 2 * 60 * 60 * 1000,
    keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 20_000,
    minPingIntervalMs: options.minPingIntervalMs ?? 5 * 60 * 1000,
    allowPingsWithoutCalls: options.allowPingsWithoutCalls ?? false,
  };
  for (const name of ["maxHeaderBytes", "maxConcurrentCalls", "keepaliveTimeoutMs"] as const) {
    if (!(resolved[name] > 0)) throw optionInvalid(name, resolved[name], "a number above 0");
  }
  for (const name of durations) {
    if (!(resolved[name] >= 0)) throw optionInvalid(name, resolved[name], "a number of milliseconds, or 0 for none");
  }
  return resolved;
}

const durations = [
  "maxConnectionIdleMs",
  "maxConnectionAgeMs",
  "maxConnectionAgeGraceMs",
  "keepaliveTimeMs",
  "minPingIntervalMs",
] as const;

/** Answers the streams of connections. */
export interface StreamAcceptor {
  accept(stream: ServerStream, headers: HeaderFields, peer: Peer): StreamListener;
  /** Answers a stream whose headers are over the limit. */
  refuse(stream: ServerStream, headers: HeaderFields): void;
}

/** The HTTP/2 connections of a server, from whatever listener they come. */
export class ServerConnections implements Protocol {
  readonly #options: ResolvedOptions;
  readonly #acceptor: StreamAcceptor;
  readonly #connections: Set<ServerConnection> = new Set();
  #isDraining = false;

  /** @throws CLEW_TRANSPORT_OPTION. */
  constructor(acceptor: StreamAcceptor, options: ServerConnectionOptions = {}) {
    this.#acceptor = acceptor;
    this.#options = resolveServerConnectionOptions(options);
  }

  /** Speaks HTTP/2 on a socket; `head` is what was read from it before. */
  add(socket: Socket, head?: Buffer): void {
    const connection = new ServerConnection(socket, head, this.#acceptor, this.#options);
    this.#connections.add(connection);
    socket.once("close", () => this.#connections.delete(connection));
    if (this.#isDraining) connection.session.close();
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
}

// How often in its time an idle connection is looked for.
const idleLooks = 4;

/** One connection, and what ends it: its age, idleness, silence, or pings without end. */
class ServerConnection {
  readonly session: ServerSession;
  readonly #socket: Socket;
  readonly #pings: PingPolicy;
  #ageTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #accepted = 0;

  constructor(socket: Socket, head: Buffer | undefined, acceptor: StreamAcceptor, options: ResolvedOptions) {
    this.#socket = socket;
    this.#pings = new PingPolicy({
      minIntervalMs: options.minPingIntervalMs,
      withoutCalls: options.allowPingsWithoutCalls,
    });
    const peer = peerOf(socket);
    this.session = new ServerSession(socket, {
      accept: (stream, headers) => {
        this.#accepted++;
        return acceptor.accept(stream, headers, peer);
      },
      refuse: (stream, headers) => acceptor.refuse(stream, headers),
      head,
      limits: { maxHeaderListBytes: options.maxHeaderBytes, maxConcurrentStreams: options.maxConcurrentCalls },
      onPing: () => this.#onPing(),
    });
    if (options.keepaliveTimeMs > 0) {
      const { keepaliveTimeMs: timeMs, keepaliveTimeoutMs: timeoutMs } = options;
      new KeepAlive(this.session, socket, { timeMs, timeoutMs, withoutCalls: true });
    }
    if (options.maxConnectionAgeMs > 0) this.#limitAge(options.maxConnectionAgeMs, options.maxConnectionAgeGraceMs);
    if (options.maxConnectionIdleMs > 0) this.#limitIdleness(options.maxConnectionIdleMs);
    socket.once("close", () => {
      clearTimeout(this.#ageTimer);
      clearInterval(this.#idleTimer);
    });
  }

  // The tenth keeps connections that were made together from coming back together.
  #limitAge(ageMs: number, graceMs: number): void {
    this.#ageTimer = setTimer(ageMs * (0.9 + 0.2 * Math.random()), () => {
      this.session.close();
      if (graceMs > 0) this.#ageTimer = setTimer(graceMs, () => this.session.destroy());
    });
  }

  #limitIdleness(idleMs: number): void {
    let seen = 0;
    let quietLooks = 0;
    const look = (): void => {
      if (this.session.openStreams > 0 || this.#accepted !== seen) quietLooks = 0;
      else if (++quietLooks >= idleLooks) this.session.close();
      seen = this.#accepted;
    };
    this.#idleTimer = setInterval(look, Math.min(Math.ceil(idleMs / idleLooks), longestTimerMs)).unref();
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
