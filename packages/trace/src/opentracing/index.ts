export {
  type OpenTracingReference,
  OpenTracingSpan,
  OpenTracingSpanContext,
  type OpenTracingSpanOptions,
  OpenTracingTracer,
  type OpenTracingTracerOptions,
} from "./tracer.ts";
