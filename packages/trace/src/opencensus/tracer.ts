import { current, run } from "@clew/context";
import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type TimeInput,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { ContextManager, toClewContext } from "../context-manager.ts";
import { createRemoteContext, parseSpanId, parseTraceId, type RemoteSpanContext } from "../remote-context.ts";

/** OpenCensus's numbers. */
const kinds: ReadonlyMap<number, SpanKind> = new Map([
  [1, SpanKind.SERVER],
  [2, SpanKind.CLIENT],
]);
const messageTypes: ReadonlyMap<number, string> = new Map([
  [1, "SENT"],
  [2, "RECEIVED"],
]);

/** What spans of {@link OpenCensusTracer} start with. */
export interface OpenCensusSpanOptions {
  name: string;
  /** 0 is unspecified, 1 a server's, 2 a client's. Default: 0. */
  kind?: number;
  /** The caller's span, of a root span. Default: none. */
  spanContext?: { traceId: string; spanId: string; options?: number };
  /** The parent of a child span. Default: the active span. */
  childOf?: OpenCensusSpan;
}

/**
 * The tracer of OpenCensus (npm `@opencensus/core` 0.1) on top of ours, for code that still speaks it: root spans around a function,
 * child spans, annotations, message events, links, status. Spans of both kinds nest in each other.
 */
export class OpenCensusTracer {
  readonly #tracer: Tracer;

  /** Default of `tracer`: the global provider's tracer `opencensus`. */
  constructor(tracer: Tracer = trace.getTracer("opencensus")) {
    this.#tracer = tracer;
  }

  /** The span that is active now, ours or OpenTelemetry's; null when there is none. */
  get currentRootSpan(): OpenCensusSpan | null {
    const span = trace.getSpan(current());
    return span === undefined ? null : new OpenCensusSpan(this, span);
  }

  /** Starts a span, below the caller's when it is told, and calls `fn` with it as the active one. `fn` ends it. */
  startRootSpan<R>(options: OpenCensusSpanOptions, fn: (root: OpenCensusSpan) => R): R {
    const parent = parentOf(options.spanContext);
    const around: Context =
      parent === undefined ? trace.deleteSpan(current()) : trace.setSpanContext(current(), parent);
    const span = this.#tracer.startSpan(options.name, spanOptionsOf(options), around);
    return run(toClewContext(trace.setSpan(around, span)), fn, new OpenCensusSpan(this, span));
  }

  /** Starts a span below `childOf`, or below the active one. It does not become active. */
  startChildSpan(options: OpenCensusSpanOptions): OpenCensusSpan {
    const around = options.childOf === undefined ? current() : trace.setSpan(current(), options.childOf.span);
    return new OpenCensusSpan(this, this.#tracer.startSpan(options.name, spanOptionsOf(options), around));
  }

  /** A function that calls `fn` with the span that is active now, whenever it is called. */
  wrap<F>(fn: F): F {
    return new ContextManager().bind(current(), fn);
  }

  /** Listeners that are added to the emitter from now on run with the span that is active now. */
  wrapEmitter(emitter: NodeJS.EventEmitter): void {
    new ContextManager().bind(current(), emitter);
  }
}

/** A span as OpenCensus knows it. */
export class OpenCensusSpan {
  readonly #tracer: OpenCensusTracer;
  /** The span underneath, for code that speaks both. */
  readonly span: Span;

  constructor(tracer: OpenCensusTracer, span: Span) {
    this.#tracer = tracer;
    this.span = span;
  }

  get id(): string {
    return this.span.spanContext().spanId;
  }

  get traceId(): string {
    return this.span.spanContext().traceId;
  }

  get spanContext(): { traceId: string; spanId: string; options: number } {
    const { traceId, spanId, traceFlags } = this.span.spanContext();
    return { traceId, spanId, options: traceFlags & 1 };
  }

  startChildSpan(options: Omit<OpenCensusSpanOptions, "childOf">): OpenCensusSpan {
    return this.#tracer.startChildSpan({ ...options, childOf: this });
  }

  addAttribute(key: string, value: unknown): void {
    this.span.setAttribute(key, value as string);
  }

  /** `timestamp` is unix milliseconds. */
  addAnnotation(description: string, attributes: Readonly<Record<string, unknown>> = {}, timestamp?: TimeInput): void {
    this.span.addEvent(description, attributes as Attributes, timestamp);
  }

  /** `type` is 1 for a message sent, 2 for one received; sizes are bytes. */
  addMessageEvent(type: number, id: unknown, timestamp?: TimeInput, size?: number, compressedSize?: number): void {
    const attributes: Attributes = { "message.type": messageTypes.get(type) ?? "UNSPECIFIED", "message.id": id };
    if (size !== undefined) attributes["message.uncompressed_size"] = size;
    if (compressedSize !== undefined) attributes["message.compressed_size"] = compressedSize;
    this.span.addEvent("message", attributes, timestamp);
  }

  addLink(traceId: string, spanId: string, type = 0, attributes: Readonly<Record<string, unknown>> = {}): void {
    const context = { traceId, spanId, traceFlags: 0, isRemote: true };
    const all: Attributes = {};
    try {
      Object.assign(all, attributes);
    } catch {
      // What was read before one that throws is kept.
    }
    all["opencensus.link_type"] = type;
    this.span.addLink({ context, attributes: all });
  }

  /** A code of gRPC's: 0 is fine, everything else an error. */
  setStatus(code: number, message?: string): void {
    if (code === 0) this.span.setStatus({ code: SpanStatusCode.OK });
    else this.span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
  }

  end(): void {
    this.span.end();
  }
}

function spanOptionsOf({ kind = 0 }: OpenCensusSpanOptions): SpanOptions {
  return { kind: kinds.get(kind) ?? SpanKind.INTERNAL };
}

/** Whom the app says it was called by; undefined when it says nothing, or what no ids are. */
function parentOf(given: OpenCensusSpanOptions["spanContext"]): RemoteSpanContext | undefined {
  try {
    if (typeof given?.traceId !== "string" || typeof given.spanId !== "string") return undefined;
    const traceId = parseTraceId(given.traceId);
    const spanId = parseSpanId(given.spanId);
    if (traceId === undefined || spanId === undefined) return undefined;
    const isSampled = typeof given.options === "number" ? (given.options & 1) === 1 : undefined;
    return createRemoteContext(traceId, spanId, isSampled);
  } catch {
    return undefined;
  }
}
