import { type BatchResult, TracerProvider } from "@clew/trace";
import { TraceContextPropagator } from "@clew/trace/otel";
import {
  type SegmentData,
  SegmentProcessor,
  type SegmentProcessorOptions,
  SkyWalkingPropagator,
} from "@clew/trace/skywalking";
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type Span,
  type Tracer,
  trace,
} from "@opentelemetry/api";

/** Ids as the agent for Go makes them, and the header that has them. */
export const goId = "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003";
export const goSegment = "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740004";
export const sample =
  "1-NjE2NTUzNGFhZjY1MTFlZWJmYzc1NjI2ZTFjZGNmZTIuMTMxLjM5MTY2MjAyNjQ2NzQwMDAz-NjE2NTUzNGFhZjY1MTFlZWJmYzc1NjI2ZTFjZGNmZTIuMTMx" +
  "LjM5MTY2MjAyNjQ2NzQwMDA0-2-c3ctdGVzdA==-NjE2NTczNzBhZjY1MTFlZWJmYzc1NjI2ZTFjZGNmZTJAMTAuMi4xMzAuMTQ=-R0VUOi9zYXlIZWxsb0h0dHA=" +
  "-bG9jYWxob3N0OjE4MDAx";

const identity = { service: "shop", instance: "shop-1", env: {} };
export const propagator = new SkyWalkingPropagator(identity);
export const w3c = new TraceContextPropagator();

export interface World {
  readonly tracer: Tracer;
  readonly processor: SegmentProcessor;
  readonly segments: SegmentData[];
  flush(): Promise<SegmentData[]>;
}

/** A tracer whose segments are kept. */
export function createWorld(options: SegmentProcessorOptions = {}): World {
  const segments: SegmentData[] = [];
  const exporter = {
    async export(given: readonly SegmentData[]): Promise<BatchResult> {
      segments.push(...given);
      return { outcome: "exported" };
    },
    async shutdown() {},
  };
  const processor = new SegmentProcessor(exporter, { ...identity, ...options });
  const tracer = new TracerProvider({ processor, ids: processor, env: {} }).getTracer("test");
  const flush = async (): Promise<SegmentData[]> => {
    await processor.forceFlush();
    return segments;
  };
  return { tracer, processor, segments, flush };
}

export function under(span: Span, context: Context = ROOT_CONTEXT): Context {
  return trace.setSpan(context, span);
}

/** The context of a call with these headers. */
export function receive(headers: Record<string, string>, by = propagator): Context {
  return by.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}

/** The headers of a call made in this context. */
export function send(
  context: Context,
  by: { inject: SkyWalkingPropagator["inject"] } = propagator,
): Record<string, string> {
  const headers: Record<string, string> = {};
  by.inject(context, headers, defaultTextMapSetter);
  return headers;
}
