import { current } from "@clew/context";
import {
  type Attributes,
  type Baggage,
  type Context,
  type Exception,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type TextMapPropagator,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { formatGrpcTraceBin, parseGrpcTraceBin } from "../opencensus/propagator.ts";

export interface OpenTracingTracerOptions {
  /** Who makes the spans. Default: the global provider's tracer `opentracing`. */
  tracer?: Tracer;
  /** What crosses the wire. Default: the global one. */
  propagator?: Pick<TextMapPropagator, "inject" | "extract">;
}

/** A reference as `opentracing` makes it. */
export interface OpenTracingReference {
  type(): string;
  referencedContext(): unknown;
}

/** What {@link OpenTracingTracer.startSpan} takes. */
export interface OpenTracingSpanOptions {
  /** A span or its context. */
  childOf?: unknown;
  references?: readonly OpenTracingReference[];
  tags?: Readonly<Record<string, unknown>>;
  /** Unix milliseconds. */
  startTime?: number;
}

/**
 * OpenTracing's tracer (npm `opentracing` 0.14) on top of ours, for code that still speaks it: `initGlobalTracer(new
 * OpenTracingTracer() as unknown as opentracing.Tracer)`; the types of that package admit only its own classes. The mapping is that of
 * OpenTelemetry's OpenTracing compatibility: the first parent, or the active span, is the parent; other references become links; the
 * tags `span.kind` and `error` become kind and status; logs become events, and an `error.object` an exception.
 *
 * Nothing of it throws into the app.
 */
export class OpenTracingTracer {
  readonly #tracer: Tracer;
  readonly #propagator: Pick<TextMapPropagator, "inject" | "extract">;

  constructor(options: OpenTracingTracerOptions = {}) {
    // Of the API's proxy: it may be made before a provider is registered.
    this.#tracer = options.tracer ?? trace.getTracer("opentracing");
    this.#propagator = options.propagator ?? propagation;
  }

  startSpan(name: string, options: OpenTracingSpanOptions = {}): OpenTracingSpan {
    const given = (name: keyof OpenTracingSpanOptions): unknown => read(options, name);
    const references = referencesOf(given("childOf"), given("references"));
    const tags = given("tags");
    const startTime = given("startTime") as number | undefined;
    const parent = references.find(({ type }) => type === "child_of") ?? references[0];
    const links: Link[] = [];
    for (const reference of references) {
      if (reference === parent) continue;
      const context = reference.context.span.spanContext();
      links.push({ context, attributes: { "opentracing.ref_type": reference.type } });
    }
    const spanOptions: SpanOptions = { kind: kindOf(read(tags, "span.kind")), links };
    if (startTime !== undefined) spanOptions.startTime = startTime;
    const around: Context = parent === undefined ? current() : trace.setSpan(ROOT_CONTEXT, parent.context.span);
    const baggage = parent === undefined ? propagation.getBaggage(around) : parent.context.baggage;
    const span = new OpenTracingSpan(this, this.#tracer.startSpan(name, spanOptions, around), baggage);
    return span.addTags(tags as OpenTracingSpanOptions["tags"] & {});
  }

  /** Writes headers (`text_map`, `http_headers`) into an object, or OpenCensus's bytes (`binary`) into its `buffer`. */
  inject(spanContext: unknown, format: string, carrier: unknown): void {
    const context = contextOf(spanContext);
    if (context === undefined || typeof carrier !== "object" || carrier === null) return;
    const set = (key: string, value: unknown): void => {
      try {
        Reflect.set(carrier, key, value);
      } catch {
        // A carrier that takes nothing gets nothing.
      }
    };
    if (format === "binary") {
      set("buffer", Buffer.from(formatGrpcTraceBin(context.span.spanContext()), "base64"));
      return;
    }
    const around = trace.setSpan(ROOT_CONTEXT, context.span);
    const full = context.baggage === undefined ? around : propagation.setBaggage(around, context.baggage);
    this.#propagator.inject(full, carrier, { set: (_, key, value) => set(key, value) });
  }

  /** What {@link inject} wrote; null when there is nothing, or it is malformed. */
  extract(format: string, carrier: unknown): OpenTracingSpanContext | null {
    if (typeof carrier !== "object" || carrier === null) return null;
    if (format === "binary") {
      const bytes = bytesOf(read(carrier, "buffer"));
      const found = bytes === undefined ? undefined : parseGrpcTraceBin(bytes.toString("base64"));
      return found === undefined ? null : new OpenTracingSpanContext(trace.wrapSpanContext(found), undefined);
    }
    const context = this.#propagator.extract(ROOT_CONTEXT, carrier, {
      get: (source, key) => textOf(read(source, key)),
      keys: keysOf,
    });
    const span = trace.getSpan(context);
    return span === undefined ? null : new OpenTracingSpanContext(span, propagation.getBaggage(context));
  }
}

/** What crosses processes: a span's ids and its baggage. */
export class OpenTracingSpanContext {
  /** The span underneath, for code that speaks both. */
  readonly span: Span;
  readonly baggage: Baggage | undefined;

  constructor(span: Span, baggage: Baggage | undefined) {
    this.span = span;
    this.baggage = baggage;
  }

  toTraceId(): string {
    return this.span.spanContext().traceId;
  }

  toSpanId(): string {
    return this.span.spanContext().spanId;
  }
}

/** A span as OpenTracing knows it. */
export class OpenTracingSpan {
  readonly #tracer: OpenTracingTracer;
  #context: OpenTracingSpanContext;

  constructor(tracer: OpenTracingTracer, span: Span, baggage: Baggage | undefined) {
    this.#tracer = tracer;
    this.#context = new OpenTracingSpanContext(span, baggage);
  }

  context(): OpenTracingSpanContext {
    return this.#context;
  }

  tracer(): OpenTracingTracer {
    return this.#tracer;
  }

  setOperationName(name: string): this {
    this.#context.span.updateName(name);
    return this;
  }

  /** For spans started below it from now on. */
  setBaggageItem(key: string, value: string): this {
    const { span, baggage = propagation.createBaggage() } = this.#context;
    this.#context = new OpenTracingSpanContext(span, baggage.setEntry(key, { value }));
    return this;
  }

  getBaggageItem(key: string): string | undefined {
    return this.#context.baggage?.getEntry(key)?.value;
  }

  setTag(key: string, value: unknown): this {
    const { span } = this.#context;
    if (key === "error") {
      const isError = value === true || value === "true";
      const isFine = value === false || value === "false";
      span.setStatus({ code: isError ? SpanStatusCode.ERROR : isFine ? SpanStatusCode.OK : SpanStatusCode.UNSET });
    } else if (key !== "span.kind" || !isKind(value)) span.setAttribute(key, value as string);
    return this;
  }

  addTags(tags: Readonly<Record<string, unknown>>): this {
    for (const key of keysOf(tags)) this.setTag(key, read(tags, key));
    return this;
  }

  /** `timestamp` is unix milliseconds. */
  log(fields: Readonly<Record<string, unknown>>, timestamp?: number): this {
    const { span } = this.#context;
    const error = read(fields, "error.object");
    if (error !== undefined) {
      span.recordException(error as Exception, timestamp);
      return this;
    }
    const rest: Attributes = {};
    for (const key of keysOf(fields)) if (key !== "event") rest[key] = read(fields, key) as string;
    span.addEvent(textOf(read(fields, "event")) ?? "log", rest, timestamp);
    return this;
  }

  logEvent(event: string, payload: unknown): void {
    this.log({ event, payload });
  }

  /** `finishTime` is unix milliseconds. */
  finish(finishTime?: number): void {
    this.#context.span.end(finishTime);
  }
}

interface Reference {
  readonly type: string;
  readonly context: OpenTracingSpanContext;
}

function referencesOf(childOf: unknown, references: unknown): Reference[] {
  const found: Reference[] = [];
  const parent = contextOf(childOf);
  if (parent !== undefined) found.push({ type: "child_of", context: parent });
  try {
    for (const reference of (references ?? []) as readonly OpenTracingReference[]) {
      const context = contextOf(reference.referencedContext());
      if (context !== undefined) found.push({ type: reference.type(), context });
    }
  } catch {
    // What is no reference leads nowhere; those before it count.
  }
  return found;
}

/** What a user's object says under `key`; undefined where that throws, and of what is no object. */
function read(given: unknown, key: string): unknown {
  try {
    return (given as Readonly<Record<string, unknown>>)[key];
  } catch {
    return undefined;
  }
}

function keysOf(given: unknown): string[] {
  try {
    return typeof given === "object" && given !== null ? Object.keys(given) : [];
  } catch {
    return [];
  }
}

function bytesOf(given: unknown): Buffer | undefined {
  try {
    return Array.isArray(given) || given instanceof Uint8Array ? Buffer.from(given as Uint8Array) : undefined;
  } catch {
    return undefined;
  }
}

/** A span can stand for its context everywhere. */
function contextOf(given: unknown): OpenTracingSpanContext | undefined {
  try {
    if (given instanceof OpenTracingSpan) return given.context();
    return given instanceof OpenTracingSpanContext ? given : undefined;
  } catch {
    // A proxy that will not say what it is.
    return undefined;
  }
}

const kinds: Readonly<Record<string, SpanKind>> = {
  client: SpanKind.CLIENT,
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

function isKind(value: unknown): value is string {
  return typeof value === "string" && Object.hasOwn(kinds, value);
}

function kindOf(kind: unknown): SpanKind {
  return isKind(kind) ? kinds[kind]! : SpanKind.INTERNAL;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
