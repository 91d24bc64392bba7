import { setTimeout as sleep } from "node:timers/promises";
import { Context, run } from "@clew/context";
import type { Logger } from "@clew/log";
import { type BatchResult, type ExportResult, suppressTracing } from "@clew/trace";
import { backOffMs, type RetrySettings } from "./retry.ts";

/** What one attempt came to. */
export interface Attempt {
  /** "taken": the destination has it. "refused": it never will. "busy": the same may be sent again. */
  readonly outcome: "taken" | "refused" | "busy";
  /** What the destination answered, cut off where it is longer than any answer has to be. */
  readonly reply: Buffer;
  /** How long it asked to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** Why it was not taken. */
  readonly error: Error | undefined;
  /** How long the body was when it left. Default: as long as it was handed over. */
  readonly sentBytes?: number;
}

/** What is sent: one buffer, or pieces that follow one another. */
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

/** What a destination says about a request it took, but not the whole of it; with nothing rejected it is a warning. */
export interface Refusal {
  readonly rejected: number;
  readonly message: string;
}

export interface DeliveryInit {
  /** What is sent, for the log: "spans". */
  readonly what: string;
  /** Where to, for the log. */
  readonly endpoint: string;
  readonly sender: Sender;
  readonly retry: RetrySettings;
  /** Requests under way at the same time; one more is answered "unavailable" at once. */
  readonly maxConcurrentExports: number;
  readonly logger: Logger | undefined;
  /** Reads the reply to a request that was taken. Default: there is nothing in it. */
  readonly readReply?: (reply: Buffer) => Refusal | undefined;
}

/** What became of the items handed over so far, and what it took. */
export interface DeliveryStats {
  /** Requests sent, retries among them. */
  readonly requests: number;
  readonly retries: number;
  /** Bytes of request bodies, before what the connection adds. */
  readonly sentBytes: number;
  /** Items that the destination took. */
  readonly exported: number;
  /** Items that the destination refused out of requests it took. */
  readonly rejected: number;
  /** Items of requests that it refused, or that were cut off by the shutdown. */
  readonly failed: number;
  /** Why the last request failed; undefined when it did not. */
  readonly lastError: string | undefined;
}

/** A {@link BatchResult} with the reason. */
export interface DeliveryResult extends BatchResult {
  readonly error?: Error;
}

/** The same in the words of a span exporter. */
export function toExportResult({ rejected, ...result }: DeliveryResult): ExportResult {
  return rejected === undefined ? result : { ...result, rejectedSpans: rejected };
}

/**
 * Brings requests to a destination, whatever the protocol: retries with growing waits, or as long as the destination asks for;
 * counts; tells a log once when it begins to fail and once when it works again.
 *
 *     encode ─▶ send ─┬─ taken ───▶ "exported", and what was rejected of it
 *                ▲    ├─ refused ─▶ "failed"
 *                └────┴─ busy ────▶ a wait, or beyond the limit "unavailable": the items are the caller's again
 *
 * Its own requests are not traced: they run in a context that says so. Its timers do not keep the process alive; whoever waits
 * for a delivery must.
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

  /** Delivers `count` items as the one request that `encode` makes of them. Never rejects. */
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

  /** Cuts off what is under way and closes the connections. */
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

  // A destination that refuses one request refuses them all; a line a minute says it.
  #mayTell(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#quietUntilMs) return false;
    this.#quietUntilMs = nowMs + 60_000;
    return true;
  }
}

const untraced = suppressTracing(Context.root);

/** A destination that asks to be left alone for a year is asked again after this long. */
const maxPauseMs = 60 * 60 * 1000;

/** No answer, as an attempt: it may be sent again. */
export function noAnswer(error: unknown): Attempt {
  // Connecting to a name with several addresses fails with one error of many, whose own message is empty.
  const { message = "", code, name } = error as { message?: string; code?: string; name?: string };
  const reason = message || code || name || String(error);
  return { outcome: "busy", reply: noBytes, retryAfterMs: undefined, error: new Error(cut(reason), { cause: error }) };
}

/** What never can be sent in this way, as an attempt. */
export function unsupported(error: Error): Attempt {
  return { ...noAnswer(error), outcome: "refused" };
}

export const noBytes: Buffer = Buffer.alloc(0);

/** What a destination says, for a log line: it may have sent a whole page. */
export function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
