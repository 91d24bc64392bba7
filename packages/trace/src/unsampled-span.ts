import type { Span as OtelSpan, SpanContext } from "@opentelemetry/api";
import { createSpanId, createTraceId } from "./ids.ts";
import type { Segment } from "./segment.ts";

/** W3C Trace Context level 2: the last seven bytes of the trace id are random. */
export const randomFlag = 2;

/**
 * The span of a trace that is not sampled: it carries the context on and records nothing. One object stands for all the spans
 * of such a trace in this process.
 */
export class UnsampledSpan implements OtelSpan {
  // Undefined for the root of a trace until somebody asks for its ids.
  #context: SpanContext | undefined;
  /** What the spans below it belong to, when recorded ones are above it. */
  readonly segment: Segment | undefined;

  /** @param context without one it is the root of a trace, whose random ids are drawn when somebody asks for them */
  constructor(context?: SpanContext, segment?: Segment) {
    this.#context = context;
    this.segment = segment;
  }

  spanContext(): SpanContext {
    this.#context ??= { traceId: createTraceId(), spanId: createSpanId(), traceFlags: randomFlag };
    return this.#context;
  }

  isRecording(): boolean {
    return false;
  }

  setAttribute(): this {
    return this;
  }

  setAttributes(): this {
    return this;
  }

  addEvent(): this {
    return this;
  }

  addLink(): this {
    return this;
  }

  addLinks(): this {
    return this;
  }

  setStatus(): this {
    return this;
  }

  updateName(): this {
    return this;
  }

  recordException(): void {}

  end(): void {}
}
