import type { ClientSession } from "@clew/http2";
import { ServiceError } from "@clew/rpc";
import { backoffMs } from "./backoff.ts";
import { type ConnectOptions, connect } from "./connect.ts";

export interface ConnectionOptions extends Omit<ConnectOptions, "session"> {
  /** The largest header list to accept, in bytes. */
  readonly maxHeaderBytes: number;
}

/**
 * The way to one endpoint: at most one session that takes new calls, made when the first call needs it and made anew when it
 * was lost or told to go away. After a failed attempt calls fail at once until the back-off is over.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #endpoint: string;
  #session: ClientSession | undefined;
  #connecting: Promise<ClientSession> | undefined;
  // Every session that is not over, with those that take no more calls.
  readonly #open = new Set<Promise<void>>();
  #failures = 0;
  #retryAt = 0;
  #lastError: unknown;
  readonly #closed = new AbortController();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#endpoint = `${options.host}:${options.port}`;
  }

  /** The session to send a call on: at once when there is one. Throws and rejects with 503 when there can be none. */
  session(): ClientSession | Promise<ClientSession> {
    if (this.#session?.isOpen) return this.#session;
    if (this.#closed.signal.aborted)
      throw new ServiceError(503, "UNAVAILABLE", `the client of ${this.#endpoint} is closed`);
    if (this.#connecting !== undefined) return this.#connecting;
    if (performance.now() < this.#retryAt) throw this.#unavailable();
    this.#connecting = this.#connect();
    return this.#connecting;
  }

  /** Takes no more calls; resolves when the open ones are over. */
  async close(): Promise<void> {
    this.#closed.abort(new Error("the client was closed"));
    await this.#connecting?.catch(() => {});
    this.#session?.close();
    await Promise.all(this.#open);
  }

  async #connect(): Promise<ClientSession> {
    try {
      let session: ClientSession | undefined;
      let onClose: ((error: Error | undefined) => void) | undefined;
      const over = new Promise<void>((resolve) => {
        onClose = (error) => {
          resolve();
          // Not even its SETTINGS were answered: there is no HTTP/2 at the other end, or none for us.
          if (error !== undefined && session?.roundTripMs === 0) this.#fail(error);
        };
      });
      const limits = { maxHeaderListBytes: this.#options.maxHeaderBytes };
      const options = { ...this.#options, session: { limits, onClose: onClose! } };
      session = (await connect(options, this.#closed.signal)).session;
      this.#open.add(over);
      void over.then(() => this.#open.delete(over));
      this.#failures = 0;
      this.#session = session;
      return session;
    } catch (error) {
      this.#fail(error);
      throw this.#unavailable();
    } finally {
      this.#connecting = undefined;
    }
  }

  #fail(error: unknown): void {
    this.#lastError = error;
    this.#retryAt = performance.now() + backoffMs(++this.#failures);
  }

  #unavailable(): ServiceError {
    return new ServiceError(503, "UNAVAILABLE", `cannot connect to ${this.#endpoint}`, { cause: this.#lastError });
  }
}
