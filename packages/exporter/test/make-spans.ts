import { createResource, type SpanData, TracerProvider } from "@clew/trace";

/** Finished spans of a service called "user". */
export function makeSpans(count = 2): SpanData[] {
  const spans: SpanData[] = [];
  const nothing = async (): Promise<void> => {};
  const provider = new TracerProvider({
    resource: createResource({ service: "user", env: {} }),
    processor: { onStart() {}, onEnd: (span) => void spans.push(span), forceFlush: nothing, shutdown: nothing },
  });
  const tracer = provider.getTracer("test");
  for (let index = 0; index < count; index++) tracer.startSpan(`span ${index}`, { attributes: { index } }).end();
  return spans;
}
