import { checkOptions, type OptionChecks, wholeNumberFrom } from "@clew/options";
import {
  type Context,
  createContextKey,
  isSpanContextValid,
  type Span as OtelSpan,
  type SpanContext,
  SpanKind,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { readCount } from "../environment.ts";
import { optionError } from "../errors.ts";
import { createRemoteContext, firstValue, isCarried, type RemoteSpanContext } from "../remote-context.ts";
import type { Segment } from "../segment.ts";
import { Span } from "../span.ts";
import { isTracingSuppressed } from "../suppress-tracing.ts";
import { UnsampledSpan } from "../unsampled-span.ts";
import { addCorrelation, correlationOf, defaultCorrelationLimits } from "./correlation.ts";
import {
  type CorrelationLimits,
  type Extension,
  formatCorrelation,
  formatExtension,
  formatSw8,
  type Place,
  parseCorrelation,
  parseExtension,
  parseSw8,
} from "./header.ts";
import { type Identity, type IdentityOptions, identityChecks, resolveIdentity } from "./identity.ts";
import { foreignTraceId, keepForeignId, loneSegmentId, toSpanId, toTraceId } from "./ids.ts";
import { operationOf } from "./operation.ts";
import { peerOf } from "./peer.ts";
import { segmentBookOf } from "./segment-book.ts";

const contextHeader = "sw8";
const correlationHeader = "sw8-correlation";
const extensionHeader = "sw8-x";

export interface SkyWalkingPropagatorOptions extends IdentityOptions {
  /** Entries of the correlation that travel. Default: SW_AGENT_CORRELATION_MAX_KEY_COUNT, or 3. */
  maxCorrelationKeys?: number;
  /** Characters of a value. Default: SW_AGENT_CORRELATION_MAX_VALUE_SIZE, or 128. */
  maxCorrelationValueLength?: number;
}

export const skyWalkingPropagatorChecks: OptionChecks<SkyWalkingPropagatorOptions> = {
  ...identityChecks,
  maxCorrelationKeys: wholeNumberFrom(0),
  maxCorrelationValueLength: wholeNumberFrom(0),
};

export function resolveCorrelationLimits(options: SkyWalkingPropagatorOptions = {}): CorrelationLimits {
  const env = options.env ?? process.env;
  const { maxKeys, maxValueLength } = defaultCorrelationLimits;
  return {
    maxKeys: options.maxCorrelationKeys ?? readCount(env, "SW_AGENT_CORRELATION_MAX_KEY_COUNT", 0, maxKeys) ?? maxKeys,
    maxValueLength:
      options.maxCorrelationValueLength ??
      readCount(env, "SW_AGENT_CORRELATION_MAX_VALUE_SIZE", 0, maxValueLength) ??
      maxValueLength,
  };
}

/** What an agent of SkyWalking told of its span. */
export interface SkyWalkingContext extends RemoteSpanContext {
  readonly place: Place;
  readonly extension: Extension;
  /** It was handed over in this process: work of another thread, and not of another process. */
  readonly isOwn: boolean;
}

/** What a caller's headers told, if the caller spoke SkyWalking. */
export function skyWalkingContextOf(context: SpanContext | undefined): SkyWalkingContext | undefined {
  return context !== undefined && "place" in context ? (context as SkyWalkingContext) : undefined;
}

const remoteKey: symbol = createContextKey("clew.skywalking.remote");
const targetKey: symbol = createContextKey("clew.skywalking.target");

/** Tells the propagator where the call goes that is about to be sent: `host:port`, as the caller knows the other end. */
export function setTargetAddress(context: Context, address: string): Context {
  return context.setValue(targetKey, address);
}

/**
 * Carries a span's context as SkyWalking's agents do: `sw8`, `sw8-correlation` and `sw8-x` (Cross Process Propagation Headers
 * Protocol v3). A foreign trace id is mapped to W3C's (`toTraceId`) and kept in `tracestate`, and so is what it was when it leaves.
 *
 * In a composite it belongs behind W3C's propagator. When both tell of the same trace, W3C's span is the parent, and `sw8` tells
 * the segment; of two different traces the later propagator's counts.
 */
export class SkyWalkingPropagator implements TextMapPropagator {
  readonly #identity: Identity;
  readonly #limits: CorrelationLimits;

  /** @throws CLEW_TRACE_OPTION */
  constructor(options: SkyWalkingPropagatorOptions = {}) {
    checkOptions("SkyWalkingPropagator", options, skyWalkingPropagatorChecks, optionError);
    this.#identity = resolveIdentity(options);
    this.#limits = resolveCorrelationLimits(options);
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    if (isTracingSuppressed(context)) return;
    const span = trace.getSpan(context);
    const spanContext = span?.spanContext();
    if (span !== undefined && spanContext !== undefined && isSpanContextValid(spanContext)) {
      const address = this.#findAddress(context, span);
      const place = this.#placeOf(context, span, spanContext, address);
      const isSampled = (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0;
      setter.set(carrier, contextHeader, formatSw8({ place, isSampled: isSampled || undefined }));
      const extension = extensionOf(context, span);
      if (extension !== undefined) setter.set(carrier, extensionHeader, formatExtension(extension));
    }
    const correlation = formatCorrelation(correlationOf(context), this.#limits);
    if (correlation !== "") setter.set(carrier, correlationHeader, correlation);
  }

  /** With the caller's span as the remote parent; the context as it was when there is none, or it makes no sense. */
  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    let extracted = context;
    const correlation = firstValue(getter.get(carrier, correlationHeader));
    if (correlation) extracted = addCorrelation(extracted, parseCorrelation(correlation, this.#limits));
    const header = firstValue(getter.get(carrier, contextHeader));
    const sw8 = header ? parseSw8(header.trim()) : undefined;
    if (sw8 === undefined) return extracted;
    const { place, isSampled } = sw8;
    const traceId = toTraceId(place.traceId);
    const known = trace.getSpanContext(context);
    const isSame = known?.isRemote === true && known.traceId === traceId;
    const base = isSame ? known : createRemoteContext(traceId, toSpanId(place.segmentId, place.number), isSampled);
    const state = keepForeignId(place.traceId, traceId, isSame ? known.traceState : undefined);
    const remote: SkyWalkingContext = {
      ...base,
      isRemote: true,
      ...(state === undefined ? {} : { traceState: state }),
      place,
      isOwn: isCarried(context) && this.#isOwn(place),
      extension: parseExtension(firstValue(getter.get(carrier, extensionHeader)) ?? ""),
    };
    return trace.setSpanContext(extracted, remote).setValue(remoteKey, remote);
  }

  fields(): string[] {
    return [contextHeader, correlationHeader, extensionHeader];
  }

  #isOwn({ service, instance }: Place): boolean {
    return service === this.#identity.service && instance === this.#identity.instance;
  }

  #findAddress(context: Context, span: OtelSpan): string {
    const told = context.getValue(targetKey);
    if (typeof told === "string" && told !== "") return told;
    const record = span instanceof Span ? span.record : undefined;
    return record === undefined ? "" : peerOf(record.attributes);
  }

  #placeOf(context: Context, span: OtelSpan, spanContext: SpanContext, address: string): Place {
    const book = segmentBookOf(segmentOf(span));
    const found = book?.place(spanContext.spanId, address);
    if (found !== undefined) return { ...found, ...this.#identity };
    // Nothing of ours is between the caller and whom we call: the caller's place goes on, as if it had called.
    const remote = remoteOf(context, spanContext);
    if (remote !== undefined) return { ...remote.place, address };
    const { traceId, spanId, traceState } = spanContext;
    return {
      traceId: foreignTraceId(traceId, traceState),
      segmentId: loneSegmentId(traceId, spanId),
      number: 0,
      ...this.#identity,
      endpoint: span instanceof Span && span.record !== undefined ? operationOf(span.record.name) : "",
      address,
    };
  }
}

function segmentOf(span: OtelSpan): Segment | undefined {
  return span instanceof Span || span instanceof UnsampledSpan ? span.segment : undefined;
}

function remoteOf(context: Context, { spanId, traceId }: SpanContext): SkyWalkingContext | undefined {
  const remote = context.getValue(remoteKey) as SkyWalkingContext | undefined;
  return remote?.spanId === spanId && remote.traceId === traceId ? remote : undefined;
}

/** Undefined when there is nothing to say: most agents neither send nor read it. */
function extensionOf(context: Context, span: OtelSpan): Extension | undefined {
  const remote = context.getValue(remoteKey) as SkyWalkingContext | undefined;
  const skipAnalysis =
    segmentBookOf(segmentOf(span))?.skipAnalysis ??
    (remote?.traceId === span.spanContext().traceId && remote.extension.skipAnalysis);
  const isMessage = span instanceof Span && span.record?.kind === SpanKind.PRODUCER;
  return skipAnalysis || isMessage ? { skipAnalysis, sentAtMs: isMessage ? Date.now() : undefined } : undefined;
}
