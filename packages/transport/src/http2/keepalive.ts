import type { Duplex } from "node:stream";
import type { ClientSession, ServerSession } from "@clew/http2";
import { optionInvalid } from "../errors.ts";
import { longestTimerMs } from "../listener.ts";

/** When a client checks whether its HTTP/2 connections are alive. The names are those of gRPC. */
export interface ClientKeepAliveOptions {
  /** A connection on which nothing arrived for this time is pinged, in milliseconds; 0 for never. Default: 0. */
  keepaliveTimeMs?: number;
  /** The connection is closed when nothing arrives for this time after the ping, in milliseconds. Default: 20_000. */
  keepaliveTimeoutMs?: number;
  /** Ping also connections without calls; some servers refuse that. Default: false. */
  keepaliveWithoutCalls?: boolean;
}

/** @throws CLEW_TRANSPORT_OPTION. */
export function resolveClientKeepAlive(options: ClientKeepAliveOptions): KeepAliveOptions {
  const { keepaliveTimeMs = 0, keepaliveTimeoutMs = 20_000, keepaliveWithoutCalls = false } = options;
  if (!(keepaliveTimeMs >= 0)) {
    throw optionInvalid("keepaliveTimeMs", keepaliveTimeMs, "a number of milliseconds, or 0 for never");
  }
  if (!(keepaliveTimeoutMs > 0)) {
    throw optionInvalid("keepaliveTimeoutMs", keepaliveTimeoutMs, "a number of milliseconds above 0");
  }
  return { timeMs: keepaliveTimeMs, timeoutMs: keepaliveTimeoutMs, withoutCalls: keepaliveWithoutCalls };
}

export interface KeepAliveOptions {
  /** How long a connection may be quiet before it is pinged. */
  readonly timeMs: number;
  /** How long the answer to the ping may take. */
  readonly timeoutMs: number;
  /** Whether a connection without calls is pinged as well. */
  readonly withoutCalls: boolean;
}

// The number of checks within this time.
const looks = 4;

/**
 * Finds out that the other end is gone although no close arrived: a connection on which nothing arrived for a while is pinged,
 * and closed when nothing arrives after the ping either (gRPC, "Keepalive"). It ends with its socket.
 */
export class KeepAlive {
  readonly #session: ClientSession | ServerSession;
  readonly #socket: Duplex & { bytesRead?: number };
  readonly #options: KeepAliveOptions;
  readonly #timer: NodeJS.Timeout;
  #deadTimer: NodeJS.Timeout | undefined;
  #bytesRead = -1;
  #quietLooks = 0;

  constructor(session: ClientSession | ServerSession, socket: Duplex, options: KeepAliveOptions) {
    this.#session = session;
    this.#socket = socket;
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), Math.min(Math.ceil(options.timeMs / looks), longestTimerMs)).unref();
    socket.once("close", () => {
      clearInterval(this.#timer);
      clearTimeout(this.#deadTimer);
    });
  }

  #look(): void {
    if (this.#deadTimer !== undefined) return;
    if (this.#hasRead() || (!this.#options.withoutCalls && this.#session.openStreams === 0)) {
      this.#quietLooks = 0;
      return;
    }
    if (++this.#quietLooks < looks) return;
    this.#quietLooks = 0;
    this.#session.ping(() => this.#relax());
    // Data that has arrived is read first: after a process was suspended, its timers are due before it has read anything.
    this.#deadTimer = setTimeout(() => setImmediate(() => this.#conclude()), this.#options.timeoutMs).unref();
  }

  #conclude(): void {
    if (this.#deadTimer === undefined) return;
    if (this.#hasRead()) this.#relax();
    else this.#socket.destroy(new Error(`nothing was received within ${this.#options.timeoutMs} ms after a ping`));
  }

  #relax(): void {
    clearTimeout(this.#deadTimer);
    this.#deadTimer = undefined;
  }

  // Whether anything arrived since the last look.
  #hasRead(): boolean {
    const { bytesRead } = this.#socket;
    if (bytesRead === undefined || bytesRead === this.#bytesRead) return false;
    this.#bytesRead = bytesRead;
    return true;
  }
}
