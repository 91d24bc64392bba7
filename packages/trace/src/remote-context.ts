import { type Context, createContextKey, type SpanContext, TraceFlags } from "@opentelemetry/api";
import { noSpanId, noTraceId } from "./ids.ts";

/** The context of a caller's span, as received. */
export interface RemoteSpanContext extends SpanContext {
  readonly isRemote: true;
  /**
   * Whether the caller deferred the sampling decision to us (B3 without a sampling state, X-Ray's `Sampled=?`, sample flag 0 of sw8).
   * Then the flags have no meaning, and samplers decide as for a root.
   */
  readonly isSamplingDeferred?: boolean;
  /** The caller made no span and only decided (B3's state without ids): the trace begins here, its first span has no parent. */
  readonly isDecisionOnly?: boolean;
}

/** Whether the caller deferred the sampling decision to us. */
export function isSamplingDeferred(parent: SpanContext): boolean {
  return (parent as Partial<RemoteSpanContext>).isSamplingDeferred === true;
}

/** Whether the context contains no parent, but only a decision about the trace that begins here. */
export function isDecisionOnly(parent: SpanContext): boolean {
  return (parent as Partial<RemoteSpanContext>).isDecisionOnly === true;
}

const carriedKey: symbol = createContextKey("clew.carried");

/** For what is extracted next: it comes from hand to hand and not over the network, and may be from this process. */
export function markCarried(context: Context): Context {
  return context.setValue(carriedKey, true);
}

/** The mark is of one carrier: what comes in later, below it, is looked at anew. */
export function unmarkCarried(context: Context): Context {
  return context.deleteValue(carriedKey);
}

export function isCarried(context: Context): boolean {
  return context.getValue(carriedKey) === true;
}

/** Ids of other dialects are shorter, or leave out zeros at the front, or have capitals; undefined when this is no id. */
export function parseTraceId(text: string): string | undefined {
  return parseId(text, 32, noTraceId);
}

/** The same for 16 digits. */
export function parseSpanId(text: string): string | undefined {
  return parseId(text, 16, noSpanId);
}

const hexPattern = /^[0-9a-fA-F]{1,32}$/;

function parseId(text: string, length: number, none: string): string | undefined {
  if (text.length > length || !hexPattern.test(text)) return undefined;
  const id = text.toLowerCase().padStart(length, "0");
  return id === none ? undefined : id;
}

/** The context of a caller's span; without a decision of its own the decision is ours. */
export function createRemoteContext(
  traceId: string,
  spanId: string,
  isSampled: boolean | undefined,
): RemoteSpanContext {
  if (isSampled === undefined) {
    return { traceId, spanId, traceFlags: TraceFlags.NONE, isRemote: true, isSamplingDeferred: true };
  }
  return { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

/** The one value of a header; the first where there are several. */
export function firstValue(value: unknown): string | undefined {
  return typeof value === "string" ? value : textsOf(value)[0];
}

/** The values of a header that is there several times. What is no text is none: the carrier may be a message's, and hold anything. */
export function textsOf(value: unknown): readonly string[] {
  if (typeof value !== "object") return [];
  try {
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}
