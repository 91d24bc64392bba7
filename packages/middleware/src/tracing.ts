import type { Context } from "@clew/context";
import { aBoolean, anything, aText, checkOptions, having, kind, type OptionChecks } from "@clew/options";
import { type Call, type Handler, type Metadata, type Method, type Middleware, watchCall, watcher } from "@clew/rpc";
import {
  isValidTraceId,
  type Context as OtelContext,
  propagation,
  type Span,
  SpanKind,
  type SpanOptions,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { setAddress } from "./address.ts";
import { optionError, optionInvalid } from "./errors.ts";
import { kratosSpan } from "./kratos-span.ts";
import { legacySpan } from "./legacy-span.ts";
import { tellServiceName } from "./metadata.ts";
import { codeOf, failureOf } from "./outcome.ts";
import { SERVER_ADDRESS, SERVER_PORT } from "./semantic-conventions.ts";
import { nameBySemconv, semconvSpan } from "./semconv-span.ts";
import { SpanMessages, type SpanMessagesOptions } from "./span-messages.ts";
import type { SpanWriter } from "./span-writer.ts";

export interface TracingOptions {
  /** Where spans come from: Clew's provider or any other of OpenTelemetry's API. Default: the global one. */
  tracerProvider?: TracerProvider;
  /** How a trace crosses the wire. Default: the global one. */
  propagator?: TextMapPropagator;
  /** The instrumentation scope of the spans. Default: "clew". */
  tracerName?: string;
  /**
   * "semconv" for attributes and statuses by OpenTelemetry's stable semantic conventions, "legacy" for the names of its instrumentations
   * before those, "kratos" for those of Kratos v3.
   * Default: "semconv".
   */
  names?: "semconv" | "legacy" | "kratos";
  /**
   * How spans are named: "operation" for `/package.Service/Method` as Kratos does, "semconv" for `GET /v1/books/{id}` on a server of
   * HTTP/JSON and `package.Service/Method` else. Default: "operation".
   */
  spanNames?: "operation" | "semconv";
  /** The header of a server's reply that has the trace id, also where that is an error; true for `x-trace-id`. Default: none. */
  traceHeader?: boolean | string;
  /** Whether each message of a stream is an event of the span: `rpc.message` (by legacy names `message`) with type and id. Default: false. */
  messageEvents?: boolean;
  /**
   * Whether spans and their events tell the size of messages in bytes, as protobuf: each is encoded once more for that. Default: false.
   */
  messageSizes?: boolean;
}

/**
 * One span for each call, named by its operation. On a server it continues the caller's trace and becomes the active span
 * of everything the handler does; on a client it is a child of the active span and goes out with the call's metadata. So does the
 * App's name, as `x-md-service-name`, which on the server is the span's `service.peer.name`. The span of a stream ends with the stream.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function tracing(options: TracingOptions = {}): Middleware {
  const { tracerProvider, tracerName, propagator, writer, nameOf, traceHeader, messages } =
    resolveTracingOptions(options);
  let tracer: Tracer | undefined;
  let namesPeer = false;
  // Asked for at the first call: the global provider may be registered after the middleware was made.
  const getTracer = (): Tracer => {
    if (tracer === undefined) {
      tracer = tracerProvider.getTracer(tracerName);
      // SkyWalking's header names whom it is sent to, and that is known when a node was picked.
      namesPeer = propagator.fields().includes("sw8");
    }
    return tracer;
  };
  /** Makes what starts the span of a call; undefined for one that nobody records. */
  const makeStart = (): ((call: Call) => Span | undefined) => {
    // A chain is made for each method: the way the last call came is that of nearly every other.
    let way: CallWay | undefined;
    return (call) => {
      if (way === undefined || !isSameWay(way, call)) way = createWay(call, nameOf, writer);
      const span =
        call.side === "server"
          ? startServerSpan(getTracer(), propagator, call, way)
          : startClientSpan(getTracer(), propagator, call, way, namesPeer);
      if (traceHeader !== undefined && call.side === "server") tellTrace(call, span, traceHeader);
      if (!span.isRecording()) return undefined;
      writer.start(span, call);
      return span;
    };
  };
  if (messages === undefined) {
    return watcher(() => {
      const start = makeStart();
      return (call) => {
        const span = start(call);
        return span && ((thrown, endMs, ended) => endSpan(span, ended, writer, thrown, endMs));
      };
    });
  }
  return (next) => {
    const start = makeStart();
    return (call) => {
      const span = start(call);
      if (span === undefined) return next(call);
      if (call.operation.startsWith("/")) return watchWithMessages(call, next, span, writer, messages);
      return watchCall(call, next, (thrown) => endSpan(span, call, writer, thrown));
    };
  };
}

interface ResolvedTracingOptions {
  readonly tracerProvider: Pick<TracerProvider, "getTracer">;
  readonly propagator: Pick<TextMapPropagator, "inject" | "extract" | "fields">;
  readonly tracerName: string;
  readonly writer: SpanWriter;
  readonly nameOf: (call: Call) => string;
  readonly traceHeader: string | undefined;
  /** Undefined when nobody asked for any. */
  readonly messages: SpanMessagesOptions | undefined;
}

const writers: Readonly<Record<TracingOptions["names"] & {}, SpanWriter>> = {
  semconv: semconvSpan,
  legacy: legacySpan,
  kratos: kratosSpan,
};

const optionChecks: OptionChecks<TracingOptions> = {
  tracerProvider: having("a tracer provider", "getTracer"),
  propagator: having("a propagator", "inject", "extract", "fields"),
  tracerName: aText,
  names: anything,
  spanNames: anything,
  traceHeader: kind("true or the name of a header", (given) => typeof given === "boolean" || typeof given === "string"),
  messageEvents: aBoolean,
  messageSizes: aBoolean,
};

function resolveTracingOptions(options: TracingOptions): ResolvedTracingOptions {
  checkOptions("tracing", options, optionChecks, optionError);
  const { names = "semconv", spanNames = "operation", traceHeader = false } = options;
  if (!Object.hasOwn(writers, names)) throw optionInvalid("names", names, '"semconv", "legacy" or "kratos"');
  if (spanNames !== "operation" && spanNames !== "semconv") {
    throw optionInvalid("spanNames", spanNames, '"operation" or "semconv"');
  }
  const header = traceHeader === true ? "x-trace-id" : traceHeader;
  // A token of RFC 9110 section 5.6.2, as a name of a header is.
  if (header !== false && !/^[\w!#$%&'*+.^`|~-]+$/.test(header)) {
    throw optionInvalid("traceHeader", traceHeader, "true or the name of a header");
  }
  const { messageEvents: hasEvents = false, messageSizes: hasSizes = false } = options;
  return {
    tracerProvider: options.tracerProvider ?? trace,
    propagator: options.propagator ?? propagation,
    tracerName: options.tracerName ?? "clew",
    writer: writers[names],
    nameOf: spanNames === "semconv" ? nameBySemconv : (call) => call.operation,
    traceHeader: header === false ? undefined : header,
    messages: hasEvents || hasSizes ? { hasEvents, hasSizes, names: writers[names].messageNames } : undefined,
  };
}

/** A method and how calls come to it, with what is the same for all their spans: made once, and handed to each. */
interface CallWay {
  readonly method: Method;
  readonly transport: string;
  readonly verb: string | undefined;
  readonly route: string | undefined;
  readonly name: string;
  /** One object for all: the start is put in before each, and read at once. */
  readonly options: SpanOptions & { startTime: number };
}

function isSameWay(way: CallWay, { method, transport, http }: Call): boolean {
  return way.method === method && way.transport === transport && way.verb === http?.verb && way.route === http?.route;
}

function createWay(call: Call, nameOf: (call: Call) => string, writer: SpanWriter): CallWay {
  const { method, transport, http } = call;
  const kind = call.side === "server" ? SpanKind.SERVER : SpanKind.CLIENT;
  const attributes = Object.freeze(writer.describe(call));
  const options = { kind, attributes, startTime: 0 };
  return { method, transport, verb: http?.verb, route: http?.route, name: nameOf(call), options };
}

// What passes a trace through a call's metadata. A header sent twice counts as one list (RFC 9110 section 5.3).
const getter: TextMapGetter<Metadata> = {
  get: (metadata, name) => {
    // Most calls have neither of the headers that are looked for.
    if (!metadata.has(name)) return undefined;
    const values = metadata.getAll(name);
    return values.length > 1 ? values.join(",") : values[0];
  },
  keys: (metadata) => metadata.keys(),
};
const setter: TextMapSetter<Metadata> = { set: (metadata, name, value) => metadata.set(name, value) };

// The call has looked at the clock already.
function startSpan(tracer: Tracer, { startMs }: Call, { name, options }: CallWay, parent: OtelContext): Span {
  options.startTime = startMs;
  return tracer.startSpan(name, options, parent);
}

function startServerSpan(
  tracer: Tracer,
  propagator: Pick<TextMapPropagator, "extract">,
  call: Call,
  way: CallWay,
): Span {
  const parent = propagator.extract(call.context, call.metadata, getter);
  const span = startSpan(tracer, call, way, parent);
  call.context = trace.setSpan(parent, span) as Context;
  return span;
}

function startClientSpan(
  tracer: Tracer,
  propagator: Pick<TextMapPropagator, "inject">,
  call: Call,
  way: CallWay,
  namesPeer: boolean,
): Span {
  const span = startSpan(tracer, call, way, call.context);
  call.context = trace.setSpan(call.context, span) as Context;
  propagator.inject(call.context, call.metadata, setter);
  tellServiceName(call);
  if (namesPeer) {
    call.onPeer((sent) => {
      setAddress(span, sent.peer.address, SERVER_ADDRESS, SERVER_PORT);
      propagator.inject(call.context, sent.metadata, setter);
    });
  }
  return span;
}

/** Says in the reply which trace it belongs to, recorded or not: who complains has something to name. */
function tellTrace(call: Call, span: Span, header: string): void {
  const { traceId } = span.spanContext();
  if (isValidTraceId(traceId)) call.replyMetadata.set(header, traceId);
}

function watchWithMessages(
  call: Call,
  next: Handler,
  span: Span,
  writer: SpanWriter,
  options: SpanMessagesOptions,
): ReturnType<Handler> {
  const messages = new SpanMessages(span, call, options);
  const watched: Handler = async (served) => {
    const reply = await next(served);
    messages.passReply(reply);
    return reply;
  };
  return watchCall(call, watched, (thrown) => {
    const { received, sent } = messages.sizes;
    if (options.hasSizes) writer.writeSizes(span, call, received, sent);
    endSpan(span, call, writer, thrown);
  });
}

function endSpan(span: Span, call: Call, writer: SpanWriter, thrown: unknown, endMs?: number): void {
  writer.end(span, call, codeOf(call, thrown), failureOf(call, thrown));
  span.end(endMs);
}
