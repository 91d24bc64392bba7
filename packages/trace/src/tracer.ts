import { current, run } from "@clew/context";
import {
  type Context,
  isSpanContextValid,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { toName } from "./attributes.ts";
import { toClewContext } from "./context-manager.ts";
import { createSpanId, createTraceId } from "./ids.ts";
import { isSamplingDeferred } from "./remote-context.ts";
import type { Sampler } from "./sampler.ts";
import { Span, type SpanMaker } from "./span.ts";
import { isTracingSuppressed } from "./suppress-tracing.ts";
import { UnsampledSpan } from "./unsampled-span.ts";

/** W3C Trace Context level 2: the last seven bytes of the trace id are random. */
const randomFlag = 2;

/** Makes spans of one scope. A provider makes the tracers. */
export class Tracer implements OtelTracer {
  readonly #maker: SpanMaker;
  readonly #sampler: Sampler;

  constructor(maker: SpanMaker, sampler: Sampler) {
    this.#maker = maker;
    this.#sampler = sampler;
  }

  /** Starts a span under the span of `context`, by default that of the work that runs now. The caller ends it. */
  startSpan(name: string, options?: SpanOptions, context: Context = current()): OtelSpan {
    const around = options?.root === true ? undefined : trace.getSpan(context);
    const parent = around === undefined ? undefined : validContext(around);
    const traceId = parent === undefined ? createTraceId() : parent.traceId;
    const kind = options?.kind ?? SpanKind.INTERNAL;
    if (isTracingSuppressed(context) || !this.#isSampled(parent, traceId, name, kind, options)) {
      return unsampledSpan(parent, around, traceId);
    }
    const spanContext: SpanContext = {
      traceId,
      spanId: createSpanId(),
      traceFlags: TraceFlags.SAMPLED | (parent === undefined ? randomFlag : parent.traceFlags & randomFlag),
    };
    if (parent?.traceState !== undefined) spanContext.traceState = parent.traceState;
    const spanName =
      typeof name === "string" && name.length <= this.#maker.limits.valueLength ? name : this.#toName(name);
    const span = new Span(spanContext, parent, spanName, kind, options?.startTime, this.#maker);
    if (options !== undefined && options !== null) {
      if (options.attributes !== undefined) span.setAttributes(options.attributes);
      if (options.links !== undefined) span.addLinks(options.links);
    }
    try {
      this.#maker.processor.onStart(span);
    } catch {
      // A processor's own trouble is not the app's.
    }
    return span;
  }

  /** Starts a span and calls `fn` with it, as the current span of all work that `fn` starts. `fn` ends it. */
  startActiveSpan<F extends (span: OtelSpan) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: OtelSpan) => unknown>(name: string, options: SpanOptions, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: OtelSpan) => unknown>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: OtelSpan) => unknown>(
    name: string,
    optionsOrFn: SpanOptions | F,
    contextOrFn?: Context | F,
    lastFn?: F,
  ): ReturnType<F> {
    const fn = (lastFn ?? contextOrFn ?? optionsOrFn) as F;
    const options = typeof optionsOrFn === "function" ? undefined : optionsOrFn;
    const context = lastFn === undefined ? current() : (contextOrFn as Context);
    const span = this.startSpan(name, options, context);
    return run(toClewContext(trace.setSpan(context, span)), fn, span) as ReturnType<F>;
  }

  #isSampled(
    parent: SpanContext | undefined,
    traceId: string,
    name: string,
    kind: SpanKind,
    options: SpanOptions | undefined,
  ): boolean {
    try {
      return this.#sampler.shouldSample(parent, traceId, name, kind, options?.attributes);
    } catch {
      return false;
    }
  }

  #toName(given: unknown): string {
    return toName(given, this.#maker.limits);
  }
}

/** The context of a span that can be a parent. Ours always can; another's is looked at. */
function validContext(span: OtelSpan): SpanContext | undefined {
  const context = span.spanContext();
  return span instanceof Span || isSpanContextValid(context) ? context : undefined;
}

// Below a parent that is not recorded the parent itself serves: what is not recorded needs no id of its own.
function unsampledSpan(parent: SpanContext | undefined, around: OtelSpan | undefined, traceId: string): OtelSpan {
  if (parent === undefined) return new UnsampledSpan({ traceId, spanId: createSpanId(), traceFlags: randomFlag });
  const wasUndecided = isSamplingDeferred(parent);
  if (!around!.isRecording() && (parent.traceFlags & TraceFlags.SAMPLED) === 0 && !wasUndecided) return around!;
  const context: SpanContext = { traceId, spanId: parent.spanId, traceFlags: parent.traceFlags & randomFlag };
  if (parent.traceState !== undefined) context.traceState = parent.traceState;
  return new UnsampledSpan(context);
}
