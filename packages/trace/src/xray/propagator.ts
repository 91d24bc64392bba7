import {
  type Context,
  isSpanContextValid,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { createRemoteContext, firstValue, parseSpanId, parseTraceId } from "../remote-context.ts";
import { isTracingSuppressed } from "../suppress-tracing.ts";

const traceHeader = "x-amzn-trace-id";

/**
 * Carries a span's context in `X-Amzn-Trace-Id: Root=1-<8 digits>-<24 digits>;Parent=<span id>;Sampled=1` (AWS X-Ray developer guide,
 * "Tracing header"). Without Sampled, or with `?`, the decision is ours. Fields we do not know, as Self and Lineage, are passed over.
 */
export class XRayPropagator implements TextMapPropagator {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const spanContext = trace.getSpanContext(context);
    if (spanContext === undefined || isTracingSuppressed(context) || !isSpanContextValid(spanContext)) return;
    const { traceId, spanId, traceFlags } = spanContext;
    const sampled = (traceFlags & TraceFlags.SAMPLED) === 0 ? "0" : "1";
    const root = `1-${traceId.slice(0, 8)}-${traceId.slice(8)}`;
    setter.set(carrier, traceHeader, `Root=${root};Parent=${spanId};Sampled=${sampled}`);
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const header = firstValue(getter.get(carrier, traceHeader));
    const spanContext = header === undefined ? undefined : parseAmznTraceId(header);
    return spanContext === undefined ? context : trace.setSpanContext(context, spanContext);
  }

  fields(): string[] {
    return [traceHeader];
  }
}

/** What an X-Ray header tells; undefined when it is malformed, or names no parent. */
export function parseAmznTraceId(header: string): SpanContext | undefined {
  let root: string | undefined;
  let parent: string | undefined;
  let sampled: string | undefined;
  for (const field of header.split(";")) {
    const equals = field.indexOf("=");
    const value = field.slice(equals + 1).trim();
    const name = field.slice(0, equals).trim();
    if (name === "Root") root = value;
    else if (name === "Parent") parent = value;
    else if (name === "Sampled") sampled = value;
  }
  const match = /^1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})$/.exec(root ?? "");
  const traceId = match === null ? undefined : parseTraceId(`${match[1]}${match[2]}`);
  const spanId = parent?.length === 16 ? parseSpanId(parent) : undefined;
  if (traceId === undefined || spanId === undefined) return undefined;
  return createRemoteContext(traceId, spanId, sampled === "1" ? true : sampled === "0" ? false : undefined);
}
