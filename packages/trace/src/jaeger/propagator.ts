import {
  type BaggageEntry,
  type Context,
  createContextKey,
  isSpanContextValid,
  propagation,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { createRemoteContext, firstValue, parseSpanId, parseTraceId } from "../remote-context.ts";
import { isTracingSuppressed } from "../suppress-tracing.ts";

const traceHeader = "uber-trace-id";
const baggagePrefix = "uberctx-";
const sampledFlag = 1;
const debugFlag = 2;
const maxBaggageMembers = 64;
const maxBaggageChars = 8192;

/** A trace that is recorded whatever samplers say, on every hop: Jaeger's debug flag. */
const debugKey: symbol = createContextKey("clew.jaeger.debug");

/**
 * Carries a span's context in `uber-trace-id`, and baggage in `uberctx-<key>`, as the clients of Jaeger do ("Propagation Format" in
 * its documentation). Ids may leave out zeros at the front; the header may be percent-encoded.
 */
export class JaegerPropagator implements TextMapPropagator {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    if (isTracingSuppressed(context)) return;
    const spanContext = trace.getSpanContext(context);
    if (spanContext !== undefined && isSpanContextValid(spanContext)) {
      const isSampled = (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0;
      const flags = context.getValue(debugKey) === true ? sampledFlag | debugFlag : isSampled ? sampledFlag : 0;
      // The parent's id is deprecated; 0 is what clients send for it.
      setter.set(carrier, traceHeader, `${spanContext.traceId}:${spanContext.spanId}:0:${flags.toString(16)}`);
    }
    for (const [key, { value }] of propagation.getBaggage(context)?.getAllEntries() ?? []) {
      if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(key)) setter.set(carrier, baggagePrefix + key, encode(String(value)));
    }
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    let extracted = context;
    const header = firstValue(getter.get(carrier, traceHeader));
    const found = header === undefined ? undefined : parseUberTraceId(header);
    if (found !== undefined) {
      extracted = trace.setSpanContext(extracted, found.spanContext);
      if (found.isDebug) extracted = extracted.setValue(debugKey, true);
    }
    const entries = readBaggage(carrier, getter);
    if (entries === undefined) return extracted;
    // Beside what another propagator found.
    for (const [key, entry] of propagation.getBaggage(extracted)?.getAllEntries() ?? []) entries[key] ??= entry;
    return propagation.setBaggage(extracted, propagation.createBaggage(entries));
  }

  fields(): string[] {
    return [traceHeader];
  }
}

/** What `<trace id>:<span id>:<parent span id>:<flags>` tells; undefined when it is malformed. */
export function parseUberTraceId(header: string): { spanContext: SpanContext; isDebug: boolean } | undefined {
  const parts = decode(header).split(":");
  if (parts.length !== 4) return undefined;
  const traceId = parseTraceId(parts[0]!);
  const spanId = parseSpanId(parts[1]!);
  if (traceId === undefined || spanId === undefined || !/^[0-9a-fA-F]{1,2}$/.test(parts[3]!)) return undefined;
  const flags = Number.parseInt(parts[3]!, 16);
  const isDebug = (flags & debugFlag) !== 0;
  return { spanContext: createRemoteContext(traceId, spanId, isDebug || (flags & sampledFlag) !== 0), isDebug };
}

function readBaggage(carrier: unknown, getter: TextMapGetter): Record<string, BaggageEntry> | undefined {
  let entries: Record<string, BaggageEntry> | undefined;
  let count = 0;
  let chars = 0;
  for (const name of getter.keys(carrier)) {
    const lower = name.toLowerCase();
    if (!lower.startsWith(baggagePrefix) || lower.length === baggagePrefix.length) continue;
    const value = firstValue(getter.get(carrier, name));
    if (value === undefined) continue;
    chars += name.length + value.length;
    if (++count > maxBaggageMembers || chars > maxBaggageChars) break;
    entries ??= Object.create(null) as Record<string, BaggageEntry>;
    entries[lower.slice(baggagePrefix.length)] = { value: decode(value) };
  }
  return entries;
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** As it is where it is no percent-encoding. */
function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
