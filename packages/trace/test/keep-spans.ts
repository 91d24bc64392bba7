import type { SpanData, SpanProcessor } from "@clew/trace";

/** A processor that keeps what it gets. */
export function keepSpans(): SpanProcessor & { readonly spans: SpanData[]; started: number } {
  const spans: SpanData[] = [];
  return {
    spans,
    started: 0,
    onStart() {
      this.started++;
    },
    onEnd: (span) => void spans.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
}
