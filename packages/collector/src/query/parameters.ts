import type { IncomingMessage } from "node:http";
import { ServiceError } from "@clew/rpc";
import type { TimeRange } from "@clew/store";

/** Returns the query parameters of a request. */
export function parametersOf(request: IncomingMessage): URLSearchParams {
  const url = request.url ?? "";
  const mark = url.indexOf("?");
  return new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
}

/** An error in a request: 400. */
export function invalid(name: string, given: string, expected: string): ServiceError {
  return new ServiceError(
    400,
    "INVALID_ARGUMENT",
    `${name} is ${JSON.stringify(given.slice(0, 80))}; it must be ${expected}`,
  );
}

/** A text; undefined when it is missing or empty. */
export function readText(parameters: URLSearchParams, name: string): string | undefined {
  return parameters.get(name) || undefined;
}

/** A number of 0 or more; undefined when it is missing or empty. */
export function readNumber(parameters: URLSearchParams, name: string): number | undefined {
  const text = readText(parameters, name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!(number >= 0 && number < Number.POSITIVE_INFINITY)) throw invalid(name, text, "a number of 0 or more");
  return number;
}

/** Reads the number of results: a whole number of 1 or more, at most `max`. */
export function readLimit(parameters: URLSearchParams, fallback: number, max: number): number {
  const limit = readNumber(parameters, "limit");
  if (limit === undefined || limit === 0) return fallback;
  if (!Number.isInteger(limit)) throw invalid("limit", String(limit), "a whole number");
  return Math.min(limit, max);
}

/** Reads `key:value`, for each time that it is given. */
export function readTags(parameters: URLSearchParams, name: string): { key: string; value: string }[] {
  return parameters.getAll(name).map((tag) => {
    const colon = tag.indexOf(":");
    if (colon < 1) throw invalid(name, tag, "key:value");
    return { key: tag.slice(0, colon), value: tag.slice(colon + 1) };
  });
}

const unitsUs: Readonly<Record<string, number>> = {
  ns: 0.001,
  us: 1,
  µs: 1,
  μs: 1,
  ms: 1000,
  s: 1e6,
  m: 60e6,
  h: 3600e6,
  d: 86_400e6,
  w: 604_800e6,
};

/** Reads a duration in Go's format ("1.2s", "1h30m"), also in days and weeks. Returns microseconds. */
export function readDuration(parameters: URLSearchParams, name: string): number | undefined {
  const text = readText(parameters, name);
  if (text === undefined) return undefined;
  const us = parseDuration(text);
  if (us === undefined) throw invalid(name, text, "a duration like 1.2s or 100ms");
  return us;
}

function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h|d|w))+$/.test(text)) return undefined;
  let us = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(\D+)/g)) us += Number(amount) * unitsUs[unit!]!;
  return us;
}

/**
 * Reads the time range in which traces began. It begins at `fromMs`, or `lookback` ("15m", "all") before `toMs` or now. It ends at
 * `toMs`, or is open, because clocks of other machines may be ahead. `fallback` is the lookback if nothing is given.
 */
export function readRange(parameters: URLSearchParams, nowMs: number, fallback: string): TimeRange {
  const fromMs = readNumber(parameters, "fromMs");
  const toMs = readNumber(parameters, "toMs");
  const given = readText(parameters, "lookback");
  const toUs = toMs === undefined ? Number.MAX_VALUE : toMs * 1000;
  if (fromMs !== undefined) {
    if (given !== undefined) throw invalid("lookback", given, "omitted when fromMs is given");
    if (fromMs * 1000 > toUs) throw invalid("toMs", parameters.get("toMs")!, "no earlier than fromMs");
    return { fromUs: fromMs * 1000, toUs };
  }
  const lookback = given ?? fallback;
  if (lookback === "all") return { fromUs: 0, toUs };
  const lookbackUs = parseDuration(lookback);
  if (lookbackUs === undefined) throw invalid("lookback", lookback, "all, or a duration like 15m or 6h");
  return { fromUs: Math.max(0, (toMs ?? nowMs) * 1000 - lookbackUs), toUs };
}

/** Reads a trace id of up to 32 hex digits and returns it in full length. */
export function readTraceId(text: string): string {
  if (!/^[0-9a-f]{1,32}$/i.test(text)) throw invalid("the trace id", text, "up to 32 hex digits");
  return text.toLowerCase().padStart(32, "0");
}
