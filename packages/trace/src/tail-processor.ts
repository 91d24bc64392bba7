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
  /** Local roots that take at least so many milliseconds are kept. Default: 1_000. */
  slowMs?: number;
  /** The same for single operations, by the local root's name; Infinity for one that is meant to be slow. Default: none. */
  slowMsByName?: Readonly<Record<string, number>>;
  /** Whether an error in any span keeps the spans around it. Default: true. */
  errors?: boolean;
  /** Local roots of one name kept in each minute, whatever they are: operations that are rare stay visible. Default: 0. */
  rarePerMinute?: number;
  /** Local roots under way that are not sampled, and whose spans are held. Default: 2_000. */
  maxTraces?: number;
  /** Spans held for one of them. Default: 500. */
  maxSpans?: number;
  /** Bytes held for all of them, about. Default: 16_777_216. */
  maxBytes?: number;
  /** How long spans are held for a local root that does not end, in milliseconds. Default: 60_000. */
  maxHoldMs?: number;
  /** Milliseconds of a clock that never goes back. Default: performance.now. */
  now?: () => number;
}

type TailSettings = Readonly<Required<TailOptions>>;

export const tailChecks: OptionChecks<TailOptions> = {
  slowMs: numberFrom(0),
  slowMsByName: recordOf('milliseconds by the local root\'s name, such as { "GET /report": 5_000 }', numberFrom(0)),
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

/** What became of the unsampled spans that ended. ended = kept + forgotten + dropped + held. */
export interface TailStats {
  /** Unsampled spans that ended. */
  readonly ended: number;
  /** Spans handed on after all. */
  readonly kept: number;
  /** Spans of requests that were neither wrong nor slow. */
  readonly forgotten: number;
  /** Spans that found no space, or whose local root did not end in time. */
  readonly dropped: number;
  /** Of the dropped, those that were held, until it had been too long or the process shut down. */
  readonly evicted: number;
  /** Spans that wait for their local root to end. */
  readonly held: number;
  /** About so many bytes. */
  readonly heldBytes: number;
  /** Local roots that they wait for: decisions that are to be made. */
  readonly pendingTraces: number;
  /** Local roots that were kept: `{ error: 2, slow: 1, rare: 0 }`. */
  readonly keptTraces: Readonly<Record<"error" | "slow" | "rare", number>>;
}

/** The attribute of a local root, and of late spans, that says why they are there although nobody sampled them. */
const keptAttribute = "clew.kept";
const minuteMs = 60_000;
// Names are the app's; one that makes a new one for every request must not fill the memory.
const maxNames = 1000;

/** What is kept for the unsampled spans of one segment. */
class SegmentTail {
  /** Those that wait; undefined when none may. */
  spans: SpanData[] | undefined = undefined;
  bytes = 0;
  /** Whether an error was in a span that found no space. */
  hasError = false;
  /** Its place among those that hold spans. Negative: it has none. */
  index: number = notHolding;
  /** Why the spans are kept, "" when they are forgotten, undefined before the decision. */
  verdict: string | undefined = undefined;
}

const notHolding = -1;
const givenUp = -2;

function tailOf(segment: Segment): SegmentTail {
  segment.tail ??= new SegmentTail();
  return segment.tail as SegmentTail;
}

/**
 * Keeps what the sampler did not want when it turns out to be wanted: errors, slow requests, rare operations. Unsampled spans are
 * recorded, go over the wire as not sampled, and are held until their local root ends; then they are handed on, or forgotten.
 * Sampled spans pass at once.
 *
 *     sampled ────────────────────────────────────────▶ next
 *     unsampled ──▶ held by its segment ──local root ends──┬──error, slow, rare──▶ next, as sampled
 *                                                          └──▶ forgotten; late spans follow the decision
 *
 * It decides for this process only: others may have forgotten their part of the trace. Recording costs as much as for a sampled
 * span; without this processor unsampled spans are not made at all.
 */
export class TailProcessor implements SpanProcessor {
  readonly recordsUnsampled = true;
  readonly #next: SpanProcessor;
  readonly #settings: TailSettings;
  /** Those with spans that wait, in no order. */
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
    // A span of another maker: there is nothing it could be held for.
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

  /** Forgets what is held; shuts the next one down. */
  async shutdown(): Promise<void> {
    for (const tail of [...this.#holding]) this.#giveUp(tail);
    await this.#next.shutdown();
  }

  #take(span: SpanData, segment: Segment): void {
    const tail = tailOf(segment);
    // Late: the decision is made. Where the root was sampled and nothing waited for it, there was none to make.
    if (tail.verdict !== undefined || segment.hasEnded) {
      if (tail.verdict) this.#pass(span, tail.verdict);
      else this.#forgotten++;
      return;
    }
    const { maxSpans, maxBytes } = this.#settings;
    // One that was given up holds nothing more; its root may still be kept for itself.
    const canHold = tail.spans !== undefined || this.#beginHolding(tail);
    const bytes = roughBytes(span);
    if (!canHold || tail.spans!.length >= maxSpans || this.#heldBytes + bytes > maxBytes) {
      // An error must not be lost with the span that has it.
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

  /** Hands an unsampled span on as if it had been sampled from the start. */
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

  /** The last takes the place that becomes free: nothing else moves. */
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

  /** Local roots that never end must not keep the others out. */
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

/** What a record takes, about: its texts, and a fixed share for each thing in it. */
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
