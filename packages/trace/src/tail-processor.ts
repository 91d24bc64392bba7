import {
  aBoolean,
  aFunction,
  checkOptions,
  checkValue,
  having,
  numberFrom,
  type OptionChecks,
  recordOf,
  wholeNumberFrom,
} from "@clew/options";
import { type Context, type Span as OtelSpan, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { optionError } from "./errors.ts";
import type { Segment } from "./segment.ts";
import type { SpanData } from "./span-data.ts";
import type { SpanProcessor } from "./span-processor.ts";

export interface TailOptions {
  /** Local roots that take at least this many milliseconds are kept. Default: 1_000. */
  slowMs?: number;
  /** `slowMs` for single operations, keyed by the local root's name; Infinity for expected slowness. Default: none. */
  slowMsByName?: Readonly<Record<string, number>>;
  /** Whether an error in any span keeps all spans under its local root. Default: true. */
  errors?: boolean;
  /** The number of local roots per name that are always kept in each minute, so that rare operations stay visible. Default: 0. */
  rarePerMinute?: number;
  /** The maximum number of live, unsampled local roots whose spans are held. Default: 2_000. */
  maxTraces?: number;
  /** The maximum number of spans held for one local root. Default: 500. */
  maxSpans?: number;
  /** The approximate maximum of bytes held for all local roots. Default: 16_777_216. */
  maxBytes?: number;
  /** How long spans are held for a local root that does not end, in milliseconds. Default: 60_000. */
  maxHoldMs?: number;
  /** Returns milliseconds of a monotonic clock. Default: performance.now. */
  now?: () => number;
}

type TailSettings = Readonly<Required<TailOptions>>;

export const tailChecks: OptionChecks<TailOptions> = {
  slowMs: numberFrom(0),
  slowMsByName: recordOf('an object of milliseconds, such as { "GET /report": 5_000 }', numberFrom(0)),
  errors: aBoolean,
  rarePerMinute: numberFrom(0),
  maxTraces: wholeNumberFrom(1),
  maxSpans: wholeNumberFrom(1),
  maxBytes: wholeNumberFrom(1),
  maxHoldMs: numberFrom(1),
  now: aFunction,
};
const aProcessor = having("a processor", "onStart", "onEnd", "forceFlush", "shutdown");

function resolveTailOptions(options: TailOptions): TailSettings {
  checkOptions("TailProcessor", options, tailChecks, optionError);
  return {
    slowMs: options.slowMs ?? 1000,
    slowMsByName: options.slowMsByName ?? {},
    errors: options.errors ?? true,
    rarePerMinute: options.rarePerMinute ?? 0,
    maxTraces: options.maxTraces ?? 2000,
    maxSpans: options.maxSpans ?? 500,
    maxBytes: options.maxBytes ?? 16 * 1024 * 1024,
    maxHoldMs: options.maxHoldMs ?? 60_000,
    now: options.now ?? (() => performance.now()),
  };
}

/** Counts of the unsampled spans that ended, by outcome. ended = kept + forgotten + dropped + held. */
export interface TailStats {
  /** Unsampled spans that ended. */
  readonly ended: number;
  /** Spans that were passed on by a late decision. */
  readonly kept: number;
  /** Spans of requests that were not worth keeping: no error, not slow, not rare. */
  readonly forgotten: number;
  /** Spans that found no space, or whose local root did not end in time. */
  readonly dropped: number;
  /** The dropped spans that were held first, until `maxHoldMs` had passed or the process shut down. */
  readonly evicted: number;
  /** Spans that are held until their local root ends. */
  readonly held: number;
  /** The approximate size of the held spans, in bytes. */
  readonly heldBytes: number;
  /** Local roots with held spans: pending decisions. */
  readonly pendingTraces: number;
  /** Counts of kept local roots by reason: `{ error: 2, slow: 1, rare: 0 }`. */
  readonly keptTraces: Readonly<Record<"error" | "slow" | "rare", number>>;
}

/** The attribute of a local root, and of late spans, with the reason why they were kept although they were not sampled. */
const keptAttribute = "clew.kept";
const minuteMs = 60_000;
// The app chooses names; an app with a new name for every request must not fill the memory.
const maxNames = 1000;

/** The state for the unsampled spans of one segment. */
class SegmentTail {
  /** The held spans; undefined if none may be held. */
  spans: SpanData[] | undefined = undefined;
  bytes = 0;
  /** Whether a span that found no space had an error. */
  hasError = false;
  /** Its index in the list of segments that hold spans. Negative: it is not in the list. */
  index: number = notHolding;
  /** The reason for keeping the spans; "" when they are forgotten, undefined before the decision. */
  verdict: string | undefined = undefined;
}

const notHolding = -1;
const givenUp = -2;

function tailOf(segment: Segment): SegmentTail {
  segment.tail ??= new SegmentTail();
  return segment.tail as SegmentTail;
}

/**
 * Keeps spans that the sampler rejected but that turn out to be useful: errors, slow requests, rare operations. Unsampled spans are
 * recorded, propagated as not sampled, and held until their local root ends. Then they are passed on, or forgotten. Sampled spans
 * are passed on at once.
 *
 *     sampled ────────────────────────────────────────▶ next
 *     unsampled ──▶ held by its segment ──local root ends──┬──error, slow, rare──▶ next, as sampled
 *                                                          └──▶ forgotten; late spans follow the decision
 *
 * It decides for this process only: other processes may have forgotten their part of the trace. Recording an unsampled span costs as
 * much as recording a sampled one; without this processor, unsampled spans are not created at all.
 */
export class TailProcessor implements SpanProcessor {
  readonly recordsUnsampled = true;
  readonly #next: SpanProcessor;
  readonly #settings: TailSettings;
  /** The segments that hold spans, in no order. */
  readonly #holding: SegmentTail[] = [];
  readonly #heldSince: number[] = [];
  #swept = Number.NEGATIVE_INFINITY;

  #names = new Map<string, number>();
  #minute = Number.NEGATIVE_INFINITY;

  #ended = 0;
  #kept = 0;
  #forgotten = 0;
  #dropped = 0;
  #evicted = 0;
  #held = 0;
  #heldBytes = 0;
  readonly #keptTraces = { error: 0, slow: 0, rare: 0 };

  /** @throws CLEW_TRACE_OPTION */
  constructor(next: SpanProcessor, options: TailOptions = {}) {
    checkValue("next", next, aProcessor, optionError);
    this.#next = next;
    this.#settings = resolveTailOptions(options);
  }

  onStart(span: OtelSpan, context?: Context): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0) this.#next.onStart(span, context);
  }

  onEnd(span: SpanData): void {
    const { segment } = span;
    const isSampled = (span.traceFlags & TraceFlags.SAMPLED) !== 0;
    if (isSampled) this.#next.onEnd(span);
    else this.#ended++;
    // The span was not created by our tracer: it has no local root to wait for.
    if (segment === undefined) {
      if (!isSampled) this.#dropped++;
      return;
    }
    if (span.spanId === segment.rootSpanId) {
      if (!isSampled || segment.tail !== undefined) this.#decide(span, tailOf(segment), isSampled);
    } else if (!isSampled) this.#take(span, segment);
  }

  stats(): TailStats {
    return {
      ended: this.#ended,
      kept: this.#kept,
      forgotten: this.#forgotten,
      dropped: this.#dropped,
      evicted: this.#evicted,
      held: this.#held,
      heldBytes: this.#heldBytes,
      pendingTraces: this.#holding.length,
      keptTraces: { ...this.#keptTraces },
    };
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  /** Forgets held spans; shuts the next processor down. */
  async shutdown(): Promise<void> {
    for (const tail of [...this.#holding]) this.#giveUp(tail);
    await this.#next.shutdown();
  }

  #take(span: SpanData, segment: Segment): void {
    const tail = tailOf(segment);
    // Late: the decision has been made. If the root was sampled and no spans were held, no decision was needed.
    if (tail.verdict !== undefined || segment.hasEnded) {
      if (tail.verdict) this.#pass(span, tail.verdict);
      else this.#forgotten++;
      return;
    }
    const { maxSpans, maxBytes } = this.#settings;
    // An evicted segment holds no more spans; its root alone may still be kept.
    const canHold = tail.spans !== undefined || this.#beginHolding(tail);
    const bytes = roughBytes(span);
    if (!canHold || tail.spans!.length >= maxSpans || this.#heldBytes + bytes > maxBytes) {
      // Dropping a span must not lose the fact that it had an error.
      if (span.statusCode === SpanStatusCode.ERROR) tail.hasError = true;
      this.#dropped++;
      return;
    }
    tail.spans!.push(span);
    tail.bytes += bytes;
    this.#held++;
    this.#heldBytes += bytes;
  }

  #decide(root: SpanData, tail: SegmentTail, isSampled: boolean): void {
    const held = tail.spans;
    const reason = this.#reasonFor(root, tail);
    tail.verdict = reason;
    if (held !== undefined) this.#endHolding(tail);
    if (reason === "") {
      this.#forgotten += (held?.length ?? 0) + (isSampled ? 0 : 1);
      return;
    }
    this.#keptTraces[reason]++;
    for (const span of held ?? []) this.#pass(span, "");
    if (!isSampled) this.#pass(root, reason);
  }

  #reasonFor(root: SpanData, tail: SegmentTail): "error" | "slow" | "rare" | "" {
    const { errors, slowMs, slowMsByName, rarePerMinute } = this.#settings;
    if (errors) {
      if (root.statusCode === SpanStatusCode.ERROR || tail.hasError) return "error";
      if (tail.spans?.some((span) => span.statusCode === SpanStatusCode.ERROR)) return "error";
    }
    const limitMs = Object.hasOwn(slowMsByName, root.name) ? slowMsByName[root.name]! : slowMs;
    if (root.endUs - root.startUs >= limitMs * 1000) return "slow";
    return rarePerMinute > 0 && this.#isRare(root.name, rarePerMinute) ? "rare" : "";
  }

  #isRare(name: string, perMinute: number): boolean {
    const now = this.#settings.now();
    if (now - this.#minute >= minuteMs) {
      this.#minute = now;
      this.#names = new Map();
    }
    const seen = this.#names.get(name) ?? 0;
    if (seen >= perMinute || (seen === 0 && this.#names.size >= maxNames)) return false;
    this.#names.set(name, seen + 1);
    return true;
  }

  /** Passes an unsampled span on as if it had been sampled from the start. */
  #pass(span: SpanData, reason: string): void {
    this.#kept++;
    const traceFlags = span.traceFlags | TraceFlags.SAMPLED;
    const { traceId, spanId } = span;
    this.#next.onStart(trace.wrapSpanContext({ traceId, spanId, traceFlags }));
    const attributes = reason === "" ? span.attributes : [...span.attributes, keptAttribute, reason];
    this.#next.onEnd({ ...span, traceFlags, attributes });
  }

  #beginHolding(tail: SegmentTail): boolean {
    const now = this.#settings.now();
    if (this.#holding.length >= this.#settings.maxTraces) this.#sweep(now);
    if (tail.index === givenUp || this.#holding.length >= this.#settings.maxTraces) return false;
    tail.spans = [];
    tail.index = this.#holding.length;
    this.#holding.push(tail);
    this.#heldSince.push(now);
    return true;
  }

  /** Removes a segment from the list by moving the last one into its place. */
  #endHolding(tail: SegmentTail): void {
    const { index } = tail;
    const last = this.#holding.pop()!;
    const since = this.#heldSince.pop()!;
    if (last !== tail) {
      this.#holding[index] = last;
      this.#heldSince[index] = since;
      last.index = index;
    }
    this.#held -= tail.spans!.length;
    this.#heldBytes -= tail.bytes;
    tail.spans = undefined;
    tail.bytes = 0;
    tail.index = notHolding;
  }

  /** Evicts local roots that never end, so that they do not block others. */
  #sweep(now: number): void {
    if (now - this.#swept < 1000) return;
    this.#swept = now;
    for (let index = this.#holding.length - 1; index >= 0; index--) {
      if (now - this.#heldSince[index]! >= this.#settings.maxHoldMs) this.#giveUp(this.#holding[index]!);
    }
  }

  #giveUp(tail: SegmentTail): void {
    this.#dropped += tail.spans!.length;
    this.#evicted += tail.spans!.length;
    if (tail.spans!.some((span) => span.statusCode === SpanStatusCode.ERROR)) tail.hasError = true;
    this.#endHolding(tail);
    tail.index = givenUp;
  }
}

/** Estimates the size of a record: its strings, and a fixed size for each element. */
function roughBytes(span: SpanData): number {
  let bytes = 400 + 300 * (span.events.length + span.links.length);
  const { attributes } = span;
  for (let index = 1; index < attributes.length; index += 2) {
    const value = attributes[index];
    bytes += typeof value === "string" ? 24 + value.length : typeof value === "object" ? 500 : 24;
  }
  for (const event of span.events) {
    for (const value of event.attributes) if (typeof value === "string") bytes += value.length;
  }
  return bytes;
}
