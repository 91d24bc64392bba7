import { TraceFlags } from "@opentelemetry/api";
import type { SpanProcessor } from "./span-processor.ts";

/** Several processors as one: each is handed every span, in this order. A flush and a shutdown wait for all. */
export function composeProcessors(...processors: readonly SpanProcessor[]): SpanProcessor {
  const all = async (work: (processor: SpanProcessor) => Promise<void>): Promise<void> => {
    // One that fails against its promise must not keep the others from what they still hold.
    await Promise.allSettled(processors.map(async (processor) => work(processor)));
  };
  const recordsUnsampled = processors.some((processor) => processor.recordsUnsampled === true);
  // What nobody sampled goes only to those who asked for it.
  const wants = (processor: SpanProcessor, traceFlags: number): boolean =>
    !recordsUnsampled || processor.recordsUnsampled === true || (traceFlags & TraceFlags.SAMPLED) !== 0;
  return {
    recordsUnsampled,
    onlyEncodes: processors.every((processor) => processor.onlyEncodes === true),
    onStart(span, context) {
      const { traceFlags } = span.spanContext();
      for (const processor of processors) if (wants(processor, traceFlags)) processor.onStart(span, context);
    },
    onEnd(span) {
      for (const processor of processors) if (wants(processor, span.traceFlags)) processor.onEnd(span);
    },
    forceFlush: () => all((processor) => processor.forceFlush()),
    shutdown: () => all((processor) => processor.shutdown()),
  };
}
