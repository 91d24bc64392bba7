import { current, run } from "@clew/context";
import { type Exception, type Span, type SpanOptions, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { toClewContext } from "./context-manager.ts";

export interface WithSpanOptions extends SpanOptions {
  /** Who makes the span. Default: the global provider's tracer `@clew/trace`. */
  tracer?: Tracer;
}

/**
 * Calls `fn` inside a new span and gives back what it gives: spans made by its work, awaited or not, are children. The span
 * ends when `fn` returns, or when the promise it returned settles. What `fn` throws is recorded, marks the span as failed, and
 * is thrown on.
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

// All of it runs inside the span's context: a query builder does its work when it is first asked for `then`.
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

/** Says of a span what made it fail. Anything can be thrown; the span says "[object]" to what is not text. */
export function markFailed(span: Span, thrown: unknown): void {
  let message = thrown;
  try {
    if (thrown instanceof Error) message = thrown.message;
  } catch {
    // What throws when it is looked at must not take the place of what was thrown.
  }
  span.recordException(thrown as Exception);
  span.setStatus({ code: SpanStatusCode.ERROR, message: message as string });
}

/** What is awaited when `value` is, begun in the context that is current now; undefined when it is no promise of any kind. */
export function promiseOf(value: unknown): Promise<unknown> | undefined {
  if (value instanceof Promise) return value;
  if (!isPromiseLike(value)) return undefined;
  // What a foreign `then` returns is its own affair.
  return new Promise<unknown>((resolve, reject) => value.then(resolve, reject));
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
