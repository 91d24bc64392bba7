import { ServiceError } from "@clew/rpc";
import { backoffMs } from "./backoff.ts";
import type { WireClientOptions, WireSession } from "./wire.ts";
import { connectWire } from "./wire-node.ts";

/**
 * The way to one endpoint: at most one session that takes new calls, made when the first call needs it and made anew when it
 * was lost or told to go away. After a failed attempt calls fail at once until the back-off is over.
 */
export class Connection {
  readonly #options: WireClientOptions;
  readonly #endpoint: string;
  #session: WireSession | undefined;
  #connecting: Promise<WireSession> | undefined;
  // Sessions that take no more calls and still have some.
  readonly #leaving = new Set<Promise<void>>();
  #failures = 0;
  #retryAt = 0;
  #lastError: unknown;
  readonly #closed = new AbortController();

  constructor(options: WireClientOptions) {
    this.#options = options;
    this.#endpoint = `${options.host}:${options.port}`;
  }

  /** The session to send a call on: at once when there is one. Throws and rejects with 503 when there can be none. */
  session(): WireSession | Promise<WireSession> {
    if (this.#session?.isOpen) return this.#session;
    if (this.#closed.signal.aborted)
      throw new ServiceError(503, "UNAVAILABLE", `the client of ${this.#endpoint} is closed`);
    if (this.#connecting !== undefined) return this.#connecting;
    this.#leave();
    if (performance.now() < this.#retryAt) throw this.#unavailable();
    this.#connecting = this.#connect();
    return this.#connecting;
  }

  /** Takes no more calls; resolves when the open ones are over. */
  async close(): Promise<void> {
    this.#closed.abort(new Error("the client was closed"));
    await this.#connecting?.catch(() => {});
    this.#leave();
    await Promise.all(this.#leaving);
  }

  async #connect(): Promise<WireSession> {
    try {
      const session = await connectWire(this.#options, this.#closed.signal);
      this.#failures = 0;
      this.#session = session;
      return session;
    } catch (error) {
      this.#lastError = error;
      this.#retryAt = performance.now() + backoffMs(++this.#failures);
      throw this.#unavailable();
    } finally {
      this.#connecting = undefined;
    }
  }

  #leave(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    const left = session.close().finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  #unavailable(): ServiceError {
    return new ServiceError(503, "UNAVAILABLE", `cannot connect to ${this.#endpoint}`, { cause: this.#lastError });
  }
}
