import type { SpanProcessor } from "./span-processor.ts";

/** Several processors as one: each is handed every span, in this order. A flush and a shutdown wait for all. */
export function composeProcessors(...processors: readonly SpanProcessor[]): SpanProcessor {
  const all = async (work: (processor: SpanProcessor) => Promise<void>): Promise<void> => {
    // One that fails against its promise must not keep the others from what they still hold.
    await Promise.allSettled(processors.map(async (processor) => work(processor)));
  };
  return {
    onStart(span) {
      for (const processor of processors) processor.onStart(span);
    },
    onEnd(span) {
      for (const processor of processors) processor.onEnd(span);
    },
    forceFlush: () => all((processor) => processor.forceFlush()),
    shutdown: () => all((processor) => processor.shutdown()),
  };
}
