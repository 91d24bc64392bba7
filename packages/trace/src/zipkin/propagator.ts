import {
  type Context,
  createContextKey,
  isSpanContextValid,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { createSpanId, createTraceId } from "../ids.ts";
import {
  createRemoteContext,
  firstValue,
  isDecisionOnly,
  parseSpanId,
  parseTraceId,
  type RemoteSpanContext,
} from "../remote-context.ts";
import { isTracingSuppressed } from "../suppress-tracing.ts";

const singleHeader = "b3";
const traceIdHeader = "x-b3-traceid";
const spanIdHeader = "x-b3-spanid";
const parentSpanIdHeader = "x-b3-parentspanid";
const sampledHeader = "x-b3-sampled";
const flagsHeader = "x-b3-flags";

/** A trace that is recorded whatever samplers say, on every hop: B3's debug flag. */
const debugKey: symbol = createContextKey("clew.b3.debug");

export interface B3PropagatorOptions {
  /** "single" sends the header `b3`, "multi" the headers `x-b3-*`. Both are read, `b3` first. Default: "single". */
  inject?: "single" | "multi";
}

/**
 * Carries a span's context as Zipkin does (openzipkin/b3-propagation). Trace ids of 64 bits are filled up with zeros. Without a
 * sampling state the decision is ours. A state alone decides about the trace that begins here, unless one came in by another dialect.
 */
export class B3Propagator implements TextMapPropagator {
  readonly #isSingle: boolean;

  constructor(options: B3PropagatorOptions = {}) {
    this.#isSingle = options.inject !== "multi";
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const spanContext = trace.getSpanContext(context);
    if (spanContext === undefined || isTracingSuppressed(context) || !isSpanContextValid(spanContext)) return;
    const { traceId, spanId, traceFlags } = spanContext;
    const isDebug = context.getValue(debugKey) === true;
    const isSampled = (traceFlags & TraceFlags.SAMPLED) !== 0;
    if (this.#isSingle) {
      setter.set(carrier, singleHeader, `${traceId}-${spanId}-${isDebug ? "d" : isSampled ? "1" : "0"}`);
      return;
    }
    setter.set(carrier, traceIdHeader, traceId);
    setter.set(carrier, spanIdHeader, spanId);
    // Debug implies sampled, and is sent instead of it.
    if (isDebug) setter.set(carrier, flagsHeader, "1");
    else setter.set(carrier, sampledHeader, isSampled ? "1" : "0");
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const single = firstValue(getter.get(carrier, singleHeader));
    const found = (single === undefined ? undefined : parseB3(single)) ?? readHeaders(carrier, getter);
    if (found === undefined) return context;
    if (isDecisionOnly(found.spanContext) && trace.getSpanContext(context)?.isRemote === true) return context;
    const extracted = trace.setSpanContext(context, found.spanContext);
    return found.isDebug ? extracted.setValue(debugKey, true) : extracted;
  }

  fields(): string[] {
    return this.#isSingle
      ? [singleHeader]
      : [traceIdHeader, spanIdHeader, parentSpanIdHeader, sampledHeader, flagsHeader];
  }
}

interface B3 {
  readonly spanContext: SpanContext;
  readonly isDebug: boolean;
}

/** What a `b3` header tells: `<trace id>-<span id>[-<state>[-<parent span id>]]`, or a state alone; undefined when it is malformed. */
export function parseB3(header: string): B3 | undefined {
  const alone = parseState(header);
  if (alone !== undefined) return begin(alone);
  const [traceText = "", spanText = "", state, , ...rest] = header.split("-");
  if (rest.length > 0) return undefined;
  return toB3(traceText, spanText, state);
}

function readHeaders(carrier: unknown, getter: TextMapGetter): B3 | undefined {
  const read = (name: string): string | undefined => firstValue(getter.get(carrier, name));
  const traceText = read(traceIdHeader);
  const state = read(flagsHeader) === "1" ? "d" : read(sampledHeader);
  if (traceText !== undefined) return toB3(traceText, read(spanIdHeader) ?? "", state);
  const alone = parseState(state);
  return alone === undefined ? undefined : begin(alone);
}

function toB3(traceText: string, spanText: string, state: string | undefined): B3 | undefined {
  if (traceText.length !== 16 && traceText.length !== 32) return undefined;
  const traceId = parseTraceId(traceText);
  const spanId = spanText.length === 16 ? parseSpanId(spanText) : undefined;
  if (traceId === undefined || spanId === undefined) return undefined;
  const { isSampled, isDebug = false } = parseState(state) ?? {};
  return { spanContext: createRemoteContext(traceId, spanId, isSampled), isDebug };
}

interface State {
  readonly isSampled: boolean;
  readonly isDebug?: boolean;
}

function parseState(state: string | undefined): State | undefined {
  switch (state) {
    case "d":
      return { isSampled: true, isDebug: true };
    case "1":
    case "true": // Old libraries write the words.
      return { isSampled: true };
    case "0":
    case "false":
      return { isSampled: false };
    default:
      return undefined;
  }
}

/** The caller made no span. Ids of its own let the trace cross further hops, also where no span is made. */
function begin({ isSampled, isDebug = false }: State): B3 {
  const spanContext: RemoteSpanContext = {
    ...createRemoteContext(createTraceId(), createSpanId(), isSampled),
    isDecisionOnly: true,
  };
  return { spanContext, isDebug };
}
