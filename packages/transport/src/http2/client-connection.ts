import type { Socket } from "node:net";
import { ClientSession, ErrorCode } from "@clew/http2";
import { type Call, ServiceError } from "@clew/rpc";
import { explainMismatch } from "../tls-mismatch.ts";
import { backoffMs } from "./backoff.ts";
import { addressOf, type ConnectOptions, connect, speaksHttp2 } from "./connect.ts";
import { KeepAlive, type KeepAliveOptions } from "./keepalive.ts";
import { clientClosed } from "./not-begun.ts";

export interface ClientConnectionOptions extends Omit<ConnectOptions, "allowsHttp1"> {
  /** That of the endpoint: http, https, grpc or grpcs. */
  readonly scheme: string;
  /** The largest header list to accept, in bytes. */
  readonly headerLimitBytes: number;
  /** When to ask a quiet connection for a sign of life; a time of 0 for never. */
  readonly keepAlive: KeepAliveOptions;
  /** Takes the connection when the server chooses HTTP/1.1; whoever waits for a session gets {@link choseHttp1}. Without it that is a failure. */
  readonly onHttp1?: ((socket: Socket) => void) | undefined;
}

/** There is no session to send on, because the server chose HTTP/1.1. */
export const choseHttp1: Error = new Error("the server chose HTTP/1.1");

/**
 * The way to one endpoint: at most one session that takes new calls, made when the first call needs it and made anew when it
 * was lost or told to go away. After a failed attempt calls fail at once until the back-off is over.
 */
export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  /** `host:port`, or the path of a unix socket. */
  readonly endpoint: string;
  #session: ClientSession | undefined;
  #connecting: Promise<ClientSession> | undefined;
  // Every session that is not over, with those that take no more calls.
  readonly #open = new Set<Promise<void>>();
  #failures = 0;
  #retryAt = 0;
  #lastError: unknown;
  /** What the newest connection in clear began with, or the last that was answered at all. */
  #said = "";
  readonly #closed = new AbortController();
  #keepAlive: KeepAliveOptions;

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    this.endpoint = addressOf(options);
    this.#keepAlive = options.keepAlive;
  }

  /** The session to send a call on: at once when there is one. Throws and rejects with 503 when there can be none. */
  session(call: Call): ClientSession | Promise<ClientSession> {
    if (this.#session?.isOpen) return this.#session;
    if (this.#closed.signal.aborted) {
      const message = `${call.operation}: the client of ${this.endpoint} is closed`;
      throw new ServiceError(503, "UNAVAILABLE", message, { cause: this.#closed.signal.reason });
    }
    if (this.#connecting === undefined) {
      if (performance.now() < this.#retryAt) throw this.#unavailable(call);
      this.#connecting = this.#connect();
    }
    // Many calls may wait for it.
    return this.#connecting.catch((error: unknown) => {
      throw error === choseHttp1 ? error : this.#unavailable(call);
    });
  }

  /** Like {@link session}, but waits through failures and back-off for as long as the call may last. */
  async whenReady(call: Call): Promise<ClientSession> {
    for (;;) {
      try {
        return await call.orCancelled(Promise.resolve(this.session(call)));
      } catch (error) {
        if (error === choseHttp1 || call.cancelled !== undefined || this.#closed.signal.aborted) throw error;
        await waitUntil(this.#retryAt, call);
      }
    }
  }

  /** Why a connection failed or a stream was lost, where one end speaks TLS and the other does not; undefined otherwise. */
  explain(error: Error): string | undefined {
    return explainMismatch(this.#options, error, this.#said);
  }

  /** Takes no more calls; resolves when the open ones are over. */
  async close(): Promise<void> {
    this.#closed.abort(clientClosed());
    await this.#connecting?.catch(() => {});
    this.#session?.close();
    await Promise.all(this.#open);
  }

  async #connect(): Promise<ClientSession> {
    const over = Promise.withResolvers<void>();
    let opened: ClientSession | undefined;
    const onClose = (error: Error | undefined): void => {
      over.resolve();
      // Not even our SETTINGS were answered: there is no HTTP/2 at the other end, or none for us.
      if (opened?.roundTripMs === 0) this.#fail(error);
      else this.#failures = 0;
    };
    try {
      const { onHttp1, headerLimitBytes } = this.#options;
      const allowsHttp1 = onHttp1 !== undefined;
      const socket = await connect({ ...this.#options, allowsHttp1 }, this.#closed.signal);
      if (allowsHttp1 && !speaksHttp2(socket)) {
        this.#failures = 0;
        onHttp1(socket);
        throw choseHttp1;
      }
      if (this.#options.tls === undefined) {
        socket.once("data", (bytes: Buffer) => {
          this.#said = bytes.toString("latin1", 0, 5);
        });
      }
      const session = new ClientSession(socket, {
        limits: { maxHeaderListBytes: headerLimitBytes },
        onClose,
        onGoAway: (code, debug) => this.#onGoAway(code, debug),
      });
      opened = session;
      this.#open.add(over.promise);
      void over.promise.then(() => this.#open.delete(over.promise));
      if (this.#keepAlive.timeMs > 0) new KeepAlive(session, socket, this.#keepAlive);
      this.#session = session;
      return session;
    } catch (error) {
      if (error !== choseHttp1) this.#fail(error);
      throw error;
    } finally {
      this.#connecting = undefined;
    }
  }

  // A server that finds our pings too many gets half of them from now on (gRPC, "Keepalive").
  #onGoAway(code: number, debug: string): void {
    if (code !== ErrorCode.ENHANCE_YOUR_CALM || debug !== "too_many_pings") return;
    this.#keepAlive = { ...this.#keepAlive, timeMs: 2 * this.#keepAlive.timeMs };
  }

  #fail(error: unknown): void {
    this.#lastError = error;
    this.#retryAt = performance.now() + backoffMs(++this.#failures);
  }

  #unavailable({ operation }: Call): ServiceError {
    const cause = this.#lastError;
    // Of several addresses that were tried there is a code alone.
    const words = (error: NodeJS.ErrnoException): unknown => this.explain(error) ?? (error.message || error.code);
    const why = cause instanceof Error ? `: ${words(cause)}` : "";
    return new ServiceError(503, "UNAVAILABLE", `${operation}: cannot connect to ${this.endpoint}${why}`, { cause });
  }
}

/** Waits; rejects when the call is cancelled before. */
function waitUntil(moment: number, call: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        release();
        resolve();
      },
      Math.max(0, moment - performance.now()),
    );
    const release = call.onCancel((reason) => {
      clearTimeout(timer);
      reject(reason);
    });
  });
}
