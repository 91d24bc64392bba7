import { type SpanData, TracerProvider, type TracerProviderOptions } from "@clew/trace";
import { createPropagator } from "@clew/trace/otel";
import { type TracingOptions, tracing } from "../src/tracing.ts";

/** The middleware over a provider that keeps what has ended. */
export function createTracing(options: TracerProviderOptions = {}, given: TracingOptions = {}) {
  const spans: SpanData[] = [];
  const tracerProvider = new TracerProvider({
    ...options,
    processor: { onStart() {}, onEnd: (span) => spans.push(span), async forceFlush() {}, async shutdown() {} },
  });
  return { spans, middleware: tracing({ tracerProvider, propagator: createPropagator(), ...given }) };
}

/** The attributes of a span by their names. */
export function attributesOf(span: SpanData | undefined): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const flat = span?.attributes ?? [];
  for (let at = 0; at < flat.length; at += 2) found[String(flat[at])] = flat[at + 1];
  return found;
}
