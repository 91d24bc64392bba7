import { millisecondsFrom, numberFrom, type OptionChecks } from "@clew/options";

/** How long and how often a request is retried. */
export interface RetryOptions {
  /** The first delay, in milliseconds; each later one is twice as long. Default: 250. */
  initialMs?: number;
  /** The longest delay, in milliseconds, unless the destination asks for a longer one. Default: 5_000. */
  maxMs?: number;
  /** How long after the first attempt a retry may start, in milliseconds. Default: 30_000. */
  limitMs?: number;
}

export const retryChecks: OptionChecks<RetryOptions> = {
  initialMs: millisecondsFrom(1),
  maxMs: millisecondsFrom(1),
  limitMs: numberFrom(0),
};

export type RetrySettings = Readonly<Required<RetryOptions>>;

export function resolveRetryOptions(options: RetryOptions = {}): RetrySettings {
  return { initialMs: options.initialMs ?? 250, maxMs: options.maxMs ?? 5000, limitMs: options.limitMs ?? 30_000 };
}

/**
 * The delay before attempt number `attempt` + 1, in milliseconds. It doubles each time, and is chosen at random between half of that
 * and all of it, so that the clients of a recovering server do not all call at once. `random` is a number from 0 to 1.
 */
export function backOffMs(attempt: number, settings: RetrySettings, random: number = Math.random()): number {
  return Math.min(settings.maxMs, settings.initialMs * 2 ** (attempt - 1)) * (0.5 + random / 2);
}

/** Statuses after which the same request may be sent again (OTLP specification, "Retryable Response Codes"). */
export function isRetryable(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** The milliseconds of a Retry-After header, in seconds or a date (RFC 9110 section 10.2.3); undefined when it is neither. */
export function parseRetryAfter(header: string | undefined, nowMs: number = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // Date.parse reads "1" and "-5" as years; an HTTP date begins with the name of a day.
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
