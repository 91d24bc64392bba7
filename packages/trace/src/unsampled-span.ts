import type { Span as OtelSpan, SpanContext } from "@opentelemetry/api";

/**
 * The span of a trace that is not sampled: it carries the context on and records nothing. One object stands for all the spans
 * of such a trace in this process.
 */
export class UnsampledSpan implements OtelSpan {
  readonly #context: SpanContext;

  constructor(context: SpanContext) {
    this.#context = context;
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
