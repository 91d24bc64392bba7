import { current, run } from "@clew/context";
import { type Exception, type Span, type SpanOptions, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { toClewContext } from "./context-manager.ts";

export interface WithSpanOptions extends SpanOptions {
  /** The tracer that creates the span. Default: the global provider's tracer `@clew/trace`. */
  tracer?: Tracer;
}

/**
 * Calls `fn` inside a new span and returns its result. Spans created by its work, awaited or not, are children. The span ends
 * when `fn` returns, or when the promise it returned settles. If `fn` throws, the error is recorded, the span is marked as
 * failed, and the error is rethrown.
 *
 *     const rows = await withSpan("read messages", async (span) => { ... });
 */
export function withSpan<R>(name: string, fn: (span: Span) => R): R;
export function withSpan<R>(name: string, options: WithSpanOptions, fn: (span: Span) => R): R;
export function withSpan<R>(
  name: string,
  optionsOrFn: WithSpanOptions | ((span: Span) => R),
  lastFn?: (span: Span) => R,
): R {
  const options = typeof optionsOrFn === "function" ? undefined : optionsOrFn;
  const fn = lastFn ?? (optionsOrFn as (span: Span) => R);
  const context = current();
  const span = (options?.tracer ?? trace.getTracer("@clew/trace")).startSpan(name, options, context);
  return run(toClewContext(trace.setSpan(context, span)), runInside, span, fn) as R;
}

// The result is also inspected inside the span's context: a query builder does its work when its `then` is first read.
function runInside<R>(span: Span, fn: (span: Span) => R): R {
  let result: R;
  try {
    result = fn(span);
  } catch (error) {
    markFailed(span, error);
    span.end();
    throw error;
  }
  const promise = promiseOf(result);
  if (promise === undefined) {
    span.end();
    return result;
  }
  return promise.then(
    (value: unknown) => {
      span.end();
      return value;
    },
    (error: unknown) => {
      markFailed(span, error);
      span.end();
      throw error;
    },
  ) as R;
}

/** Marks a span as failed, with the thrown value. Any value can be thrown; for one without text the span says "[object]". */
export function markFailed(span: Span, thrown: unknown): void {
  let message = thrown;
  try {
    if (thrown instanceof Error) message = thrown.message;
  } catch {
    // If reading the thrown value throws, that second error must not replace the first.
  }
  span.recordException(thrown as Exception);
  span.setStatus({ code: SpanStatusCode.ERROR, message: message as string });
}

/** Returns a promise for `value`, whose `then` is called in the current context; undefined if `value` is not thenable. */
export function promiseOf(value: unknown): Promise<unknown> | undefined {
  if (value instanceof Promise) return value;
  if (!isPromiseLike(value)) return undefined;
  // The return value of a foreign `then` is ignored.
  return new Promise<unknown>((resolve, reject) => value.then(resolve, reject));
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
