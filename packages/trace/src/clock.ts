import type { TimeInput } from "@opentelemetry/api";

// Spans keep unix time in microseconds, as a double: exact to a quarter of one. It is the monotonic clock plus an offset, which
// is finer than Date.now() and never runs backwards.
const { timeOrigin } = performance;
let offsetUs = timeOrigin * 1000;
let nextCheckTick = 0;

/**
 * What to add to `performance.now() * 1000` to get unix microseconds; `tick` is the `performance.now()` of this moment. Whoever
 * keeps the offset measures with one unbent ruler.
 */
export function readOffsetUs(tick: number): number {
  if (tick >= nextCheckTick) align(tick);
  return offsetUs;
}

// A system's clock is set now and then, and a laptop sleeps. Below 50 ms the difference is mostly Date.now()'s coarseness.
function align(tick: number): void {
  nextCheckTick = tick + 10_000;
  const differenceUs = Date.now() * 1000 - (offsetUs + tick * 1000);
  if (Math.abs(differenceUs) > 50_000) offsetUs += differenceUs;
}

/** Whether a time is one of `performance.now()`: too few milliseconds for a unix time. */
export function isTick(time: unknown): time is number {
  return typeof time === "number" && time >= 0 && time < timeOrigin;
}

/**
 * Unix microseconds of a time that a user gave: a Date, seconds and nanoseconds, or milliseconds, which are those of
 * `performance.now()` when they are too few for a unix time. Undefined when it is no time.
 */
export function parseTime(time: TimeInput): number | undefined {
  let us: number;
  if (typeof time === "number") us = isTick(time) ? readOffsetUs(time) + time * 1000 : time * 1000;
  else us = parseTimeObject(time);
  return Number.isFinite(us) && us >= 0 ? us : undefined;
}

function parseTimeObject(time: unknown): number {
  try {
    if (time instanceof Date) return time.getTime() * 1000;
    if (!Array.isArray(time)) return Number.NaN;
    const [seconds, nanos] = time as unknown[];
    return typeof seconds === "number" && typeof nanos === "number" ? seconds * 1e6 + nanos / 1000 : Number.NaN;
  } catch {
    // A proxy that will not say what it is.
    return Number.NaN;
  }
}

/** Numbers, dates and pairs of seconds and nanoseconds are times; an attributes object is none of these. */
export function isTimeInput(given: unknown): given is TimeInput {
  if (typeof given === "number") return true;
  if (typeof given !== "object" || given === null) return false;
  try {
    return given instanceof Date || Array.isArray(given);
  } catch {
    return false;
  }
}
