import { formatClock, formatDay } from "./clock.ts";

/** How far back from now traces are looked at. */
export interface Lookback {
  /** As the URL and the collector's API have it. */
  name: string;
  title: string;
  ms: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export const lookbacks: readonly Lookback[] = [
  { name: "5m", title: "Last 5 minutes", ms: 5 * minuteMs },
  { name: "15m", title: "Last 15 minutes", ms: 15 * minuteMs },
  { name: "1h", title: "Last hour", ms: hourMs },
  { name: "6h", title: "Last 6 hours", ms: 6 * hourMs },
  { name: "24h", title: "Last 24 hours", ms: 24 * hourMs },
  { name: "all", title: "All that is kept", ms: Number.POSITIVE_INFINITY },
];

/**
 * The time in which traces started: back from now by the name of a {@link Lookback}, or between two moments as an input of
 * the type datetime-local has them, in local time. A moment that is empty, or not written out yet, leaves that end open.
 */
export type TimeRange = TimeBack | { readonly from: string; readonly to: string };

interface TimeBack {
  readonly lookback: string;
}

export const allKept: TimeBack = { lookback: "all" };
export const lastHour: TimeBack = { lookback: "1h" };

/** Adds a range to a query of the API, and of a page's own URL, where it is not what `usual` says it is without one. */
export function addRange(query: URLSearchParams, range: TimeRange, usual: TimeBack): void {
  if ("lookback" in range) {
    if (range.lookback !== usual.lookback) query.set("lookback", range.lookback);
    return;
  }
  const fromMs = parseMoment(range.from);
  const toMs = parseMoment(range.to);
  if (fromMs !== null) query.set("fromMs", String(fromMs));
  else if (usual.lookback !== allKept.lookback) query.set("lookback", "all");
  if (toMs !== null) query.set("toMs", String(toMs));
}

/** The range that {@link addRange} added; what cannot be read is passed over. */
export function rangeFromQuery(query: URLSearchParams, usual: TimeBack): TimeRange {
  const from = momentOf(query.get("fromMs"));
  const to = momentOf(query.get("toMs"));
  if (from !== "" || to !== "") return { from, to };
  const lookback = lookbacks.find(({ name }) => name === query.get("lookback"));
  return lookback === undefined ? usual : { lookback: lookback.name };
}

/** "Last hour", or that the user chose. */
export function describeRange(range: TimeRange): string {
  if (!("lookback" in range)) return "The time chosen";
  return lookbacks.find(({ name }) => name === range.lookback)!.title;
}

export function isAllKept(range: TimeRange): boolean {
  return "lookback" in range && range.lookback === allKept.lookback;
}

/** True when a range ends before it begins. */
export function isBackward(range: TimeRange): boolean {
  if ("lookback" in range) return false;
  const fromMs = parseMoment(range.from);
  const toMs = parseMoment(range.to);
  return fromMs !== null && toMs !== null && fromMs > toMs;
}

/** False when a trace with this start is certainly outside. How far back from now it lies only the collector's clock can tell. */
export function mayContain(range: TimeRange, startMs: number): boolean {
  if ("lookback" in range) return true;
  return startMs >= (parseMoment(range.from) ?? 0) && startMs <= (parseMoment(range.to) ?? Number.POSITIVE_INFINITY);
}

/** The same time by its two moments, in whole minutes, for a user to change; since the oldest trace when it has no beginning. */
export function toMoments(range: TimeRange, nowMs: number, oldestMs: number | null): TimeRange {
  if (!("lookback" in range)) return range;
  const { ms } = lookbacks.find(({ name }) => name === range.lookback)!;
  const fromMs = ms === Number.POSITIVE_INFINITY ? (oldestMs ?? nowMs - hourMs) : nowMs - ms;
  return {
    from: formatMoment(Math.floor(fromMs / minuteMs) * minuteMs),
    to: formatMoment(Math.ceil(nowMs / minuteMs) * minuteMs),
  };
}

/** Unix milliseconds; null for what is empty, or for a year whose digits are still being typed. */
function parseMoment(text: string): number | null {
  const ms = new Date(text).getTime();
  return ms >= 0 ? ms : null;
}

function momentOf(text: string | null): string {
  const ms = text === null || text === "" ? Number.NaN : Number(text);
  return ms >= 0 && ms < 8.64e15 ? formatMoment(ms) : "";
}

/** "2026-11-22T14:05"; with its seconds when it has some. */
function formatMoment(ms: number): string {
  const clock = formatClock(ms);
  return `${formatDay(ms)}T${clock.slice(0, clock.slice(6) === "00.000" ? 5 : clock.slice(9) === "000" ? 8 : 12)}`;
}
