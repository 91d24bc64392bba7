import type { Span as OtelSpan, SpanContext } from "@opentelemetry/api";
import type { Segment } from "./segment.ts";

/**
 * The span of a trace that is not sampled: it carries the context on and records nothing. One object stands for all the spans
 * of such a trace in this process.
 */
export class UnsampledSpan implements OtelSpan {
  readonly #context: SpanContext;
  /** What the spans below it belong to, when recorded ones are above it. */
  readonly segment: Segment | undefined;

  constructor(context: SpanContext, segment?: Segment) {
    this.#context = context;
    this.segment = segment;
  }

  spanContext(): SpanContext {
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
