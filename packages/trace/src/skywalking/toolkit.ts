import { type Context, current, run, snapshot } from "@clew/context";
import {
  type Attributes,
  type Context as OtelContext,
  type Span as OtelSpan,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { toName } from "../attributes.ts";
import { toClewContext } from "../context-manager.ts";
import { type Environment, readWord } from "../environment.ts";
import { Span } from "../span.ts";
import { markFailed, promiseOf } from "../with-span.ts";
import { correlationOf, setCorrelation as withCorrelation } from "./correlation.ts";
import type { Identity } from "./identity.ts";
import { foreignTraceId } from "./ids.ts";
import { setTargetAddress } from "./propagator.ts";
import { segmentBookOf } from "./segment-book.ts";

// The functions of SkyWalking's toolkits, under their names, over OpenTelemetry's API: whatever provider is registered makes the spans.

/** Gives the value of a header; undefined or null when there is none. */
export type Extractor = (name: string) => string | null | undefined;
/** How grave an event is. */
export type EventType = "debug" | "info" | "warn" | "error";
/** Takes a header that is to be sent. */
export type Injector = (name: string, value: string) => void;

/** A span and the context in which its work runs. */
export interface SpanHandle {
  readonly span: OtelSpan;
  readonly context: Context;
  /** Calls `fn` as work of this span. */
  run<R>(fn: () => R): R;
  setTag(key: string, value: string): SpanHandle;
  /** Adds one log entry: key, value, key, value. */
  addLog(...pairs: string[]): SpanHandle;
  /** Adds a log entry with one word of how grave it is. */
  addEvent(type: EventType, text: string): SpanHandle;
  /** Marks the span as failed, and tells why. */
  error(reason?: unknown): SpanHandle;
  setOperationName(operation: string): SpanHandle;
  /** A number of SkyWalking's component-libraries.yml. */
  setComponent(id: number): SpanHandle;
  /** Lets the span go on after {@link stop}, until {@link asyncFinish}. A second time throws. */
  prepareAsync(): SpanHandle;
  /** Ends a span that was prepared and stopped. Throws when it was not prepared, or is finished. */
  asyncFinish(): void;
  /** Ends the span, unless it was prepared to go on. */
  stop(): void;
}

const tracerName = "@clew/trace/skywalking";

class Handle implements SpanHandle {
  readonly span: OtelSpan;
  readonly context: Context;
  #async: "no" | "prepared" | "finished" = "no";

  constructor(span: OtelSpan, context: OtelContext) {
    this.span = span;
    this.context = toClewContext(trace.setSpan(context, span));
  }

  run<R>(fn: () => R): R {
    return run(this.context, fn);
  }

  setTag(key: string, value: string): this {
    this.span.setAttribute(key, value);
    return this;
  }

  addLog(...pairs: string[]): this {
    putLog(this.span, pairs);
    return this;
  }

  addEvent(type: EventType, text: string): this {
    putLog(this.span, [type, text]);
    return this;
  }

  error(reason?: unknown): this {
    putError(this.span, reason);
    return this;
  }

  setOperationName(operation: string): this {
    this.span.updateName(operation);
    return this;
  }

  setComponent(id: number): this {
    this.span.setAttribute(componentKey, id);
    return this;
  }

  prepareAsync(): this {
    if (this.#async !== "no") throw new Error("prepareAsync was called before for this span");
    this.#async = "prepared";
    return this;
  }

  asyncFinish(): void {
    if (this.#async !== "prepared") throw new Error("asyncFinish needs a prepareAsync before it, and is called once");
    this.#async = "finished";
    this.span.end();
  }

  stop(): void {
    if (this.#async === "no") this.span.end();
  }
}

const componentKey = "sw.component_id";

/** Key, value, key, value, under no name: SkyWalking's logs have none. */
function putLog(span: OtelSpan, pairs: readonly string[]): void {
  const attributes: Attributes = {};
  for (let index = 0; index < pairs.length; index += 2) attributes[toName(pairs[index])] = pairs[index + 1] ?? "";
  span.addEvent("", attributes);
}

function putError(span: OtelSpan, reason: unknown): void {
  if (reason === undefined) span.setStatus({ code: SpanStatusCode.ERROR });
  else markFailed(span, reason);
}

/** Starts the span of work that somebody asked for. `extractor` reads the caller's headers, whichever the propagator speaks. */
export function createEntrySpan(operation: string, extractor?: Extractor): SpanHandle {
  let context: OtelContext = current();
  if (extractor !== undefined) {
    const getter = { get: (_: unknown, name: string) => extractor(name) ?? undefined, keys: () => [] };
    context = propagation.extract(context, undefined, getter);
  }
  return start(operation, SpanKind.SERVER, context);
}

/** Starts the span of a call to `peer`, `host:port`. `injector` takes the headers to send, whichever the propagator speaks. */
export function createExitSpan(operation: string, peer: string, injector?: Injector): SpanHandle {
  const handle = start(operation, SpanKind.CLIENT, current());
  const address = toName(peer);
  const match = /^(.*):(\d{1,5})$/.exec(address);
  handle.span.setAttribute("server.address", match === null ? address : match[1]!);
  if (match !== null) handle.span.setAttribute("server.port", Number(match[2]));
  if (injector !== undefined) {
    const setter = { set: (_: unknown, name: string, value: string) => injector(name, value) };
    propagation.inject(setTargetAddress(handle.context, address), undefined, setter);
  }
  return handle;
}

/** Starts the span of work within this process. */
export function createLocalSpan(operation: string): SpanHandle {
  return start(operation, SpanKind.INTERNAL, current());
}

function start(operation: string, kind: SpanKind, context: OtelContext): SpanHandle {
  return new Handle(trace.getTracer(tracerName).startSpan(operation, { kind }, context), context);
}

/** What {@link continueContext} takes up again. */
export type Captured = ReturnType<typeof snapshot>;

/** The context of the work that runs now: its span, and its correlation. */
export function captureContext(): Captured {
  return snapshot();
}

/** Calls `fn` as if it were work of where the context was captured. */
export function continueContext<R>(captured: Captured, fn: () => R): R {
  return captured(fn);
}

/** Where the running work is, in SkyWalking's words. */
export interface ActivePlace {
  readonly traceId: string;
  readonly segmentId: string;
  /** The number of the active span in its segment. */
  readonly spanId: number;
  /** The operation with which the segment began. */
  readonly endpoint: string;
}

/** The span of a segment that is active; undefined outside of any, and where the trace is not recorded. */
export function activePlace(): ActivePlace | undefined {
  return placeOf(trace.getSpan(current()));
}

/** The same for a span of ours. */
export function placeOf(span: OtelSpan | undefined): ActivePlace | undefined {
  const book = span instanceof Span ? segmentBookOf(span.segment) : undefined;
  if (span === undefined || book === undefined) return undefined;
  const { traceId, segmentId, number, endpoint } = book.place(span.spanContext().spanId, "");
  return { traceId, segmentId, spanId: number, endpoint };
}

/** The trace id as SkyWalking shows it; "N/A" outside of any trace. */
export function getTraceId(): string {
  const context = trace.getSpanContext(current());
  return context === undefined ? none : foreignTraceId(context.traceId, context.traceState);
}

/** The id of the segment that the running work belongs to; "N/A" where it belongs to none. */
export function getSegmentId(): string {
  return activePlace()?.segmentId ?? none;
}

/** The number of the active span in its segment; -1 where there is none. */
export function getSpanId(): number {
  return activePlace()?.spanId ?? -1;
}

/** What agents write into log lines under `SW_CTX`: `[service,instance,trace id,segment id,span id]`. */
export function formatLogContext({ service, instance }: Identity): string {
  const place = activePlace();
  return `[${service},${instance},${place?.traceId ?? none},${place?.segmentId ?? none},${place?.spanId ?? -1}]`;
}

/**
 * The same as a logger's field: `createLogger({ fields: logContextFields(identity) })`. It is named as SW_AGENT_LOG_TRACING_KEY says, or
 * SW_CTX; with SW_AGENT_LOG_TRACING_ENABLE false there is none.
 */
export function logContextFields(identity: Identity, env: Environment = process.env): Record<string, () => string> {
  if (readWord(env, "SW_AGENT_LOG_TRACING_ENABLE", ["true", "false"], "true") === "false") return {};
  return { [env.SW_AGENT_LOG_TRACING_KEY?.trim() || "SW_CTX"]: () => formatLogContext(identity) };
}

const none = "N/A";

/** Sets a tag of the active span. */
export function setTag(key: string, value: string): void {
  trace.getActiveSpan()?.setAttribute(key, value);
}

/** Adds a log entry to the active span: key, value, key, value. */
export function addLog(...pairs: string[]): void {
  const span = trace.getActiveSpan();
  if (span !== undefined) putLog(span, pairs);
}

/** Adds a log entry to the active span, with one word of how grave it is. */
export function addEvent(type: EventType, text: string): void {
  addLog(type, text);
}

/** Marks the active span as failed, and tells why. */
export function error(reason?: unknown): void {
  const span = trace.getActiveSpan();
  if (span !== undefined) putError(span, reason);
}

/** Gives the active span another name: a route, once it is known. */
export function setOperationName(operation: string): void {
  trace.getActiveSpan()?.updateName(operation);
}

/** Tells what the active span has to do with: a number of SkyWalking's component-libraries.yml. */
export function setComponent(id: number): void {
  trace.getActiveSpan()?.setAttribute(componentKey, id);
}

/** The value that travels with this trace under `key`; undefined when there is none. */
export function getCorrelation(key: string): string | undefined {
  return correlationOf(current()).get(key);
}

/**
 * Calls `fn` with a value that travels with every call made in it, to other processes too; an empty one takes the key away. Where it
 * does not fit (128 characters, three keys) `fn` runs without it.
 */
export function runWithCorrelation<R>(key: string, value: string, fn: () => R): R {
  const context = withCorrelation(current(), key, value);
  return context === undefined ? fn() : run(toClewContext(context), fn);
}

/**
 * A function that does what `fn` does within a local span. The span ends when it returns, or when the promise it returned settles
 * (a query builder is awaited); of a generator, sync or async, when it is over. What it throws marks the span as failed, and is thrown on.
 */
export function traced<This, A extends unknown[], R>(
  operation: string,
  fn: (this: This, ...args: A) => R,
): (this: This, ...args: A) => R {
  return function (this: This, ...args: A): R {
    const handle = createLocalSpan(operation);
    let result: R;
    let promise: Promise<unknown> | undefined;
    try {
      result = handle.run(() => {
        const returned = fn.apply(this, args);
        promise = promiseOf(returned);
        return returned;
      });
    } catch (thrown) {
      handle.error(thrown).stop();
      throw thrown;
    }
    if (promise !== undefined) {
      return promise.then(
        (value: unknown) => {
          handle.stop();
          return value;
        },
        (thrown: unknown) => {
          handle.error(thrown).stop();
          throw thrown;
        },
      ) as R;
    }
    if (isGenerator(result)) return tracedGenerator(handle, result) as R;
    handle.stop();
    return result;
  };
}

type AnyGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>;

function isGenerator(value: unknown): value is AnyGenerator {
  const candidate = value as { next?: unknown; return?: unknown; throw?: unknown } | null;
  return (
    typeof candidate === "object" &&
    candidate !== null &&
    typeof candidate.next === "function" &&
    typeof candidate.return === "function" &&
    typeof candidate.throw === "function"
  );
}

/** Each step runs in the span's context, and the last one ends it. */
function tracedGenerator(handle: SpanHandle, generator: AnyGenerator): AnyGenerator {
  const settle = (result: IteratorResult<unknown>): IteratorResult<unknown> => {
    if (result.done === true) handle.stop();
    return result;
  };
  const fail = (thrown: unknown): never => {
    handle.error(thrown).stop();
    throw thrown;
  };
  const step = (name: "next" | "return" | "throw", given: unknown): unknown => {
    try {
      const result: unknown = handle.run(() => generator[name](given as never));
      if (result instanceof Promise) return result.then((value) => settle(value as IteratorResult<unknown>), fail);
      return settle(result as IteratorResult<unknown>);
    } catch (thrown) {
      return fail(thrown);
    }
  };
  return new Proxy(generator, {
    get(target, key) {
      if (key === "next" || key === "return" || key === "throw") return (given: unknown) => step(key, given);
      if (key === Symbol.iterator || key === Symbol.asyncIterator) {
        return key in target
          ? function (this: unknown) {
              return this;
            }
          : undefined;
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
