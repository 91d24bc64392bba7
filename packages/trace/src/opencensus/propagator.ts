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

const traceHeader = "grpc-trace-bin";

/**
 * Carries a span's context in the gRPC metadata `grpc-trace-bin` (OpenCensus, BinaryEncoding.md), in base64 as binary metadata is:
 *
 *     version  field 0 + trace id   field 1 + span id   field 2 + options
 *     00       00 16 bytes          01 8 bytes          02 1 byte          bit 0 of the options: sampled
 */
export class GrpcTraceBinPropagator implements TextMapPropagator {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const spanContext = trace.getSpanContext(context);
    if (spanContext === undefined || isTracingSuppressed(context) || !isSpanContextValid(spanContext)) return;
    setter.set(carrier, traceHeader, formatGrpcTraceBin(spanContext));
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const header = firstValue(getter.get(carrier, traceHeader));
    const spanContext = header === undefined ? undefined : parseGrpcTraceBin(header);
    return spanContext === undefined ? context : trace.setSpanContext(context, spanContext);
  }

  fields(): string[] {
    return [traceHeader];
  }
}

/** The header of a context: 29 bytes in base64 without padding. */
export function formatGrpcTraceBin({ traceId, spanId, traceFlags }: SpanContext): string {
  const sampled = (traceFlags & TraceFlags.SAMPLED) === 0 ? "00" : "01";
  return Buffer.from(`0000${traceId}01${spanId}02${sampled}`, "hex").toString("base64").replace(/=+$/, "");
}

/** What a header tells; undefined when it is malformed. Fields that come later and are unknown end the reading. */
export function parseGrpcTraceBin(header: string): SpanContext | undefined {
  const bytes = Buffer.from(header, "base64");
  if (bytes[0] !== 0 || bytes[1] !== 0 || bytes[18] !== 1 || bytes.length < 27) return undefined;
  const traceId = parseTraceId(bytes.toString("hex", 2, 18));
  const spanId = parseSpanId(bytes.toString("hex", 19, 27));
  if (traceId === undefined || spanId === undefined) return undefined;
  const isSampled = bytes[27] === 2 && bytes.length > 28 && (bytes[28]! & 1) === 1;
  return createRemoteContext(traceId, spanId, isSampled);
}
