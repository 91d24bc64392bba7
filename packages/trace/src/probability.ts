import type { TraceState as OtelTraceState, SpanContext } from "@opentelemetry/api";
import { TraceState } from "./otel/trace-state.ts";

// OpenTelemetry, "TraceState: Probability Sampling": the entry `ot` of the tracestate header holds `key:value` pairs, divided by
// semicolons. `th` is the rejection threshold (up to 14 hex digits, zeros at the end left out), `rv` randomness that replaces the
// last 56 bits of the trace id (14 hex digits).
const vendor = "ot";

/** The threshold below which traces are not sampled, for a ratio from 0 to 1: two halves of 28 bits, for no number holds 56 exactly. */
export interface Threshold {
  readonly high: number;
  readonly low: number;
  /** As `th` tells it. */
  readonly text: string;
}

export function toThreshold(ratio: number): Threshold {
  const threshold = Math.round((1 - ratio) * 2 ** 53) * 8;
  const high = Math.floor(threshold / 2 ** 28);
  const low = threshold % 2 ** 28;
  const digits = high.toString(16).padStart(7, "0") + low.toString(16).padStart(7, "0");
  return { high, low, text: digits.replace(/0+$/, "") || "0" };
}

/** Whether a trace's randomness is at or above the threshold: that of its `rv`, or the last 56 bits of its id. */
export function isAboveThreshold(threshold: Threshold, traceId: string, parent: SpanContext | undefined): boolean {
  const given = parent?.traceState === undefined ? undefined : randomValueOf(parent.traceState);
  const digits = given ?? traceId;
  const end = digits.length;
  const high = Number.parseInt(digits.slice(end - 14, end - 7), 16);
  return (
    high > threshold.high || (high === threshold.high && Number.parseInt(digits.slice(end - 7), 16) >= threshold.low)
  );
}

function randomValueOf(state: OtelTraceState): string | undefined {
  return /(?:^|;)rv:([0-9a-f]{14})(?:;|$)/.exec(state.get(vendor) ?? "")?.[1];
}

// A process has few thresholds, and most traces begin with nothing else in their state.
const fresh = new Map<string, OtelTraceState>();

/** The state with this threshold in place of the one that was there; with none when it is "". Undefined when nothing is left. */
export function stateWithThreshold(state: OtelTraceState | undefined, threshold: string): OtelTraceState | undefined {
  if (state === undefined) {
    if (threshold === "") return undefined;
    let made = fresh.get(threshold);
    if (made === undefined) {
      made = TraceState.empty.set(vendor, `th:${threshold}`);
      // Thresholds come from samplers; a foreign one may have too many.
      if (fresh.size < 100) fresh.set(threshold, made);
    }
    return made;
  }
  const told = state.get(vendor);
  const others = told === undefined ? [] : told.split(";").filter((pair) => pair !== "" && !pair.startsWith("th:"));
  if (threshold !== "") others.unshift(`th:${threshold}`);
  if (others.length > 0) return state.set(vendor, others.join(";"));
  if (told === undefined) return state;
  const rest = state.unset(vendor);
  return rest.serialize() === "" ? undefined : rest;
}
