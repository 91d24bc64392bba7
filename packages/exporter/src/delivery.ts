import { setTimeout as sleep } from "node:timers/promises";
import { Context, run } from "@clew/context";
import type { Logger } from "@clew/log";
import { type BatchResult, type ExportResult, suppressTracing } from "@clew/trace";
import { backOffMs, type RetrySettings } from "./retry.ts";

/** The result of one attempt. */
export interface Attempt {
  /** "taken": the destination accepted the request. "refused": it never will. "busy": the same request may be sent again. */
  readonly outcome: "taken" | "refused" | "busy";
  /** The destination's reply; empty when it is longer than a reply should be. */
  readonly reply: Buffer;
  /** How long the destination asked to wait before the next request. */
  readonly retryAfterMs: number | undefined;
  /** Why the request was not taken. */
  readonly error: Error | undefined;
  /** The length of the body as it was sent. Default: the length of the given body. */
  readonly sentBytes?: number;
}

/** The body of a request: one buffer, or consecutive pieces. */
export type Body = Buffer | readonly Uint8Array[];

export function wholeOf(body: Body): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.concat(body);
}

export function lengthOf(body: Body): number {
  return Buffer.isBuffer(body) ? body.length : body.reduce((sum, { length }) => sum + length, 0);
}

/** One way to send a request somewhere. */
export interface Sender {
  /** Sends one request; never rejects. The signal cuts it off. */
  send(body: Body, signal: AbortSignal): Promise<Attempt>;
  /** Closes the connections. */
  close(): Promise<void>;
}

/** A destination's answer to a request that it took only in part; if nothing was rejected, it is a warning. */
export interface Refusal {
  readonly rejected: number;
  readonly message: string;
}

export interface DeliveryInit {
  /** The name of the items, for the log: "spans". */
  readonly what: string;
  /** The destination, for the log. */
  readonly endpoint: string;
  readonly sender: Sender;
  readonly retry: RetrySettings;
  /** The maximum number of concurrent requests; further ones resolve with "unavailable" at once. */
  readonly maxConcurrentExports: number;
  readonly logger: Logger | undefined;
  /** Reads the reply to a request that was taken. Default: the reply is ignored. */
  readonly readReply?: (reply: Buffer) => Refusal | undefined;
}

/** Counts of the items delivered so far, by outcome, and of the requests and bytes that were sent. */
export interface DeliveryStats {
  /** Requests sent, including retries. */
  readonly requests: number;
  readonly retries: number;
  /** Bytes of request bodies, without the overhead of the connection. */
  readonly sentBytes: number;
  /** Items that the destination took. */
  readonly exported: number;
  /** Items that the destination refused within requests that it took. */
  readonly rejected: number;
  /** Items of requests that the destination refused, or that the shutdown aborted. */
  readonly failed: number;
  /** Why the last request failed; undefined when it succeeded. */
  readonly lastError: string | undefined;
}

/** A {@link BatchResult} with the reason. */
export interface DeliveryResult extends BatchResult {
  readonly error?: Error;
}

/** Converts a delivery's result to a span exporter's. */
export function toExportResult({ rejected, ...result }: DeliveryResult): ExportResult {
  return rejected === undefined ? result : { ...result, rejectedSpans: rejected };
}

/**
 * Delivers requests to a destination over any protocol. It retries with growing delays, or after the delay that the destination asks
 * for; it counts; and it logs once when delivery begins to fail and once when it works again.
 *
 *     encode ─▶ send ─┬─ taken ───▶ "exported", and what was rejected of it
 *                ▲    ├─ refused ─▶ "failed"
 *                └────┴─ busy ────▶ a delay, or beyond the limit "unavailable": the caller keeps the items
 *
 * Its own requests are not traced: they run in a context that suppresses tracing. Its timers do not keep the process alive; a caller
 * that waits for a delivery must do so.
 */
export class Delivery {
  readonly #init: DeliveryInit;
  readonly #stopping = new AbortController();
  #active = 0;
  #isAway = false;
  #quietUntilMs = 0;

  #requests = 0;
  #retries = 0;
  #sentBytes = 0;
  #exported = 0;
  #rejected = 0;
  #failed = 0;
  #lastError: string | undefined;

  constructor(init: DeliveryInit) {
    this.#init = init;
  }

  stats(): DeliveryStats {
    return {
      requests: this.#requests,
      retries: this.#retries,
      sentBytes: this.#sentBytes,
      exported: this.#exported,
      rejected: this.#rejected,
      failed: this.#failed,
      lastError: this.#lastError,
    };
  }

  /** Delivers `count` items as one request, which `encode` creates. Never rejects. */
  async deliver(count: number, encode: () => Body | Promise<Body>): Promise<DeliveryResult> {
    if (this.#stopping.signal.aborted) {
      this.#failed += count;
      return { outcome: "failed", error: new Error("the exporter is shut down") };
    }
    if (this.#active >= this.#init.maxConcurrentExports) {
      return { outcome: "unavailable", error: new Error(`${this.#active} exports are under way`) };
    }
    this.#active++;
    try {
      return await run(untraced, () => this.#sendUntilTold(count, encode));
    } catch (error) {
      return this.#fail(count, error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#active--;
    }
  }

  /** Aborts pending requests and closes the connections. */
  async shutdown(): Promise<void> {
    this.#stopping.abort();
    await this.#init.sender.close();
  }

  async #sendUntilTold(count: number, encode: () => Body | Promise<Body>): Promise<DeliveryResult> {
    const { retry, sender } = this.#init;
    const { signal } = this.#stopping;
    const body = await encode();
    const giveUpAtMs = performance.now() + retry.limitMs;
    for (let attempts = 1; ; attempts++) {
      if (signal.aborted) return this.#fail(count, new Error("the exporter is shut down"));
      this.#requests++;
      const attempt = await sender.send(body, signal);
      const { outcome, reply, retryAfterMs, sentBytes = lengthOf(body) } = attempt;
      this.#sentBytes += sentBytes;
      if (outcome === "taken") return this.#succeed(count, reply);
      const { error = new Error("refused") } = attempt;
      if (signal.aborted || outcome === "refused") return this.#fail(count, error);
      this.#tellAway(error);
      const waitMs = retryAfterMs ?? backOffMs(attempts, retry);
      if (performance.now() + waitMs > giveUpAtMs) {
        return { outcome: "unavailable", error, retryAfterMs: Math.min(retryAfterMs ?? 0, maxPauseMs) };
      }
      try {
        await sleep(waitMs, undefined, { ref: false, signal });
      } catch {
        return this.#fail(count, error);
      }
      this.#retries++;
    }
  }

  #succeed(count: number, reply: Buffer): DeliveryResult {
    const { logger, endpoint, what, readReply } = this.#init;
    this.#lastError = undefined;
    if (this.#isAway) {
      this.#isAway = false;
      logger?.info(`${what} are exported again`, { endpoint });
    }
    const refusal = readReply?.(reply);
    const rejected = Math.min(Math.max(0, refusal?.rejected ?? 0), count);
    this.#exported += count - rejected;
    this.#rejected += rejected;
    if (refusal !== undefined && this.#mayTell()) {
      logger?.warn(`the destination did not take all ${what}`, {
        endpoint,
        rejected: refusal.rejected,
        reason: cut(refusal.message),
      });
    }
    return { outcome: "exported", rejected };
  }

  #fail(count: number, error: Error): DeliveryResult {
    const { logger, endpoint, what } = this.#init;
    this.#failed += count;
    this.#lastError = error.message;
    if (!this.#stopping.signal.aborted && this.#mayTell()) {
      logger?.error(`${what} were refused and are lost`, { endpoint, [what]: count, reason: error.message });
    }
    return { outcome: "failed", error };
  }

  #tellAway(error: Error): void {
    this.#lastError = error.message;
    if (this.#isAway) return;
    this.#isAway = true;
    const { logger, endpoint, what } = this.#init;
    logger?.warn(`${what} cannot be exported, trying again`, { endpoint, reason: error.message });
  }

  // A destination that refuses one request usually refuses them all; one line a minute is enough.
  #mayTell(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#quietUntilMs) return false;
    this.#quietUntilMs = nowMs + 60_000;
    return true;
  }
}

const untraced = suppressTracing(Context.root);

/** The longest delay that a destination can ask for; a longer one is shortened to this. */
const maxPauseMs = 60 * 60 * 1000;

/** The attempt of a request without an answer: it may be sent again. */
export function noAnswer(error: unknown): Attempt {
  // Connecting to a name with several addresses fails with an AggregateError, whose own message is empty.
  const { message = "", code, name } = error as { message?: string; code?: string; name?: string };
  const reason = message || code || name || String(error);
  return { outcome: "busy", reply: noBytes, retryAfterMs: undefined, error: new Error(cut(reason), { cause: error }) };
}

/** The attempt of a request that can never be sent in this way. */
export function unsupported(error: Error): Attempt {
  return { ...noAnswer(error), outcome: "refused" };
}

export const noBytes: Buffer = Buffer.alloc(0);

/** Shortens a destination's text for a log line: it may be a whole page. */
export function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
