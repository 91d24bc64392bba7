import { Context, run } from "@clew/context";
import {
  aBoolean,
  aText,
  checkOptions,
  listOf,
  millisecondsFrom,
  type OptionChecks,
  oneOf,
  wholeNumberFrom,
} from "@clew/options";
import type { Link, Context as OtelContext, Span as OtelSpan, SpanContext, SpanKind } from "@opentelemetry/api";
import { type BatchDestination, BatchQueue, type BatchQueueStats } from "../batch-queue.ts";
import { readBoolean, readCount } from "../environment.ts";
import { optionError } from "../errors.ts";
import type { IdSource, NewTrace } from "../id-source.ts";
import { RingBuffer } from "../ring-buffer.ts";
import type { Segment } from "../segment.ts";
import { Span } from "../span.ts";
import type { SpanData } from "../span-data.ts";
import type { SpanProcessor } from "../span-processor.ts";
import { correlationOf } from "./correlation.ts";
import { describeSegment } from "./describe.ts";
import { type Identity, type IdentityOptions, identityChecks, resolveIdentity } from "./identity.ts";
import { foreignTraceId, type IdForm, IdGenerator, keepForeignId, toTraceId } from "./ids.ts";
import { operationOf } from "./operation.ts";
import { skyWalkingContextOf } from "./propagator.ts";
import {
  type Entry,
  type FinishedSegment,
  SegmentBook,
  SegmentPart,
  segmentBookOf,
  toReference,
  typeOf,
} from "./segment-book.ts";
import { type ReferenceData, type SegmentData, SpanType } from "./segment-data.ts";

export interface SegmentProcessorOptions extends IdentityOptions {
  /** How the ids of new traces and segments look. Default: "plain". */
  ids?: IdForm;
  /** Spans of a segment; what is beyond does not leave. Default: SW_AGENT_SPAN_LIMIT, or 300. */
  maxSpans?: number;
  /** References of one span; what is beyond does not leave. Default: SW_TRACE_SEGMENT_LIMIT, or 500. */
  maxReferences?: number;
  /** Logs of one span; what is beyond does not leave. Default: SW_LOG_LIMIT_PER_SPAN, or 300. */
  maxLogs?: number;
  /** The process's first span has `<cold>` behind its operation, and a tag `coldStart`. Default: SW_COLD_ENDPOINT, or false. */
  coldEndpoint?: boolean;
  /** How long a segment whose first span has ended waits for the others, in milliseconds. Default: 5_000. */
  lateTimeoutMs?: number;
  /** Segments that wait so; of more, the first leaves at once. Default: 1_000. */
  maxWaiting?: number;
  /** Keys of the correlation that become a tag of every span. Default: none. */
  autoTagKeys?: readonly string[];
  /** Segments kept while they cannot be sent. Default: SW_AGENT_MAX_BUFFER_SIZE, or SW_AGENT_REPORTER_GRPC_MAX_SEND_QUEUE, or 5_000. */
  capacity?: number;
  /** Segments sent at once; as soon as so many wait, they go. Default: 200. */
  batchSize?: number;
  /** How long a segment waits for others to go with, in milliseconds. Default: 1_000. */
  delayMs?: number;
  /** How long sending a batch may take, in milliseconds. Default: 60_000. */
  exportTimeoutMs?: number;
  /** How long {@link SegmentProcessor.shutdown} may take, in milliseconds. Default: 2_000. */
  shutdownTimeoutMs?: number;
}

type SegmentProcessorSettings = Readonly<Required<Omit<SegmentProcessorOptions, keyof IdentityOptions>>> & {
  readonly identity: Identity;
};

export const segmentProcessorChecks: OptionChecks<SegmentProcessorOptions> = {
  ...identityChecks,
  ids: oneOf("plain", "go", "java"),
  maxSpans: wholeNumberFrom(1),
  maxReferences: wholeNumberFrom(0),
  maxLogs: wholeNumberFrom(0),
  coldEndpoint: aBoolean,
  lateTimeoutMs: millisecondsFrom(0),
  maxWaiting: wholeNumberFrom(0),
  autoTagKeys: listOf('a list of keys, such as ["user"]', aText),
  capacity: wholeNumberFrom(1, 2 ** 24),
  batchSize: wholeNumberFrom(1),
  delayMs: millisecondsFrom(1),
  exportTimeoutMs: millisecondsFrom(1),
  shutdownTimeoutMs: millisecondsFrom(0),
};

/** @throws CLEW_TRACE_OPTION */
export function resolveSegmentProcessorOptions(options: SegmentProcessorOptions = {}): SegmentProcessorSettings {
  checkOptions("SegmentProcessor", options, segmentProcessorChecks, optionError);
  const env = options.env ?? process.env;
  const capacity =
    options.capacity ??
    readCount(env, "SW_AGENT_MAX_BUFFER_SIZE", 1, 5000) ??
    readCount(env, "SW_AGENT_REPORTER_GRPC_MAX_SEND_QUEUE", 1, 5000) ??
    5000;
  return {
    identity: resolveIdentity(options),
    ids: options.ids ?? "plain",
    maxSpans: options.maxSpans ?? readCount(env, "SW_AGENT_SPAN_LIMIT", 1, 300) ?? 300,
    maxReferences: options.maxReferences ?? readCount(env, "SW_TRACE_SEGMENT_LIMIT", 0, 500) ?? 500,
    maxLogs: options.maxLogs ?? readCount(env, "SW_LOG_LIMIT_PER_SPAN", 0, 300) ?? 300,
    coldEndpoint: options.coldEndpoint ?? readBoolean(env, "SW_COLD_ENDPOINT"),
    lateTimeoutMs: options.lateTimeoutMs ?? 5000,
    maxWaiting: options.maxWaiting ?? 1000,
    autoTagKeys: options.autoTagKeys ?? [],
    capacity,
    batchSize: Math.min(capacity, options.batchSize ?? 200),
    delayMs: options.delayMs ?? 1000,
    exportTimeoutMs: options.exportTimeoutMs ?? 60_000,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 2000,
  };
}

function countFrom(text: string | undefined): number | undefined {
  const count = Number(text);
  return text !== undefined && Number.isInteger(count) && count > 0 ? count : undefined;
}

/** Brings segments somewhere. */
export type SegmentExporter = BatchDestination<readonly SegmentData[]>;

/** What became of the segments so far: finished = exported + rejected + dropped + failed + waiting. */
export interface SegmentStats extends BatchQueueStats {
  readonly finished: number;
  /** Of those, the ones that continue another because a span came too late for it. */
  readonly continued: number;
  /** Spans that were beyond the limit of their segment. */
  readonly hiddenSpans: number;
}

interface Waiting {
  readonly book: SegmentBook;
  readonly part: SegmentPart;
  readonly untilMs: number;
}

/**
 * Collects the spans of each local root into one SkyWalking segment and hands it on when they have all ended.
 *
 *     root ends, nothing open ─────────────────────────▶ leaves
 *     root ends, children open ──▶ waits lateTimeoutMs ─▶ leaves without them; each of them becomes a segment of its own,
 *                                                        which refers to its parent as work of another thread
 *
 * It is the provider's source of ids as well (`new TracerProvider({ processor, ids: processor })`): a span's id follows from its
 * segment and its number there, so that OTLP and segments, ours and those of agents that we call, agree on it.
 */
export class SegmentProcessor implements SpanProcessor, IdSource {
  readonly #settings: SegmentProcessorSettings;
  readonly #generator: IdGenerator;
  readonly #queue: BatchQueue<FinishedSegment>;
  #maxSpans: number;
  #isCold: boolean;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #finished = 0;
  #continued = 0;
  #hiddenSpans = 0;

  constructor(exporter: SegmentExporter, options?: SegmentProcessorOptions) {
    this.#settings = resolveSegmentProcessorOptions(options);
    const { ids, maxSpans, coldEndpoint } = this.#settings;
    this.#maxSpans = maxSpans;
    this.#isCold = coldEndpoint;
    this.#generator = new IdGenerator({ form: ids });
    this.#queue = new BatchQueue(
      new RingBuffer<FinishedSegment>(this.#settings.capacity),
      {
        export: (segments) => exporter.export(segments.map((segment) => describeSegment(segment, this.#settings))),
        shutdown: () => exporter.shutdown(),
      },
      this.#settings,
    );
  }

  /** Takes the collector's wish for the number of spans; what is missing, or no number, is as it was at the start. */
  configure(wishes: ReadonlyMap<string, string>): void {
    this.#maxSpans = countFrom(wishes.get("agent.span_limit_per_segment")) ?? this.#settings.maxSpans;
  }

  createTrace(): NewTrace {
    const foreignId = this.#generator.create();
    const traceId = toTraceId(foreignId);
    const traceState = keepForeignId(foreignId, traceId, undefined);
    return traceState === undefined ? { traceId } : { traceId, traceState };
  }

  createSpanId(
    segment: Segment,
    trace: NewTrace,
    parent: SpanContext | undefined,
    kind: SpanKind,
    links: readonly Link[] | undefined,
  ): string {
    let book = segmentBookOf(segment);
    const references: ReferenceData[] = [];
    let above: Entry | undefined;
    let parentNumber = -1;
    if (book === undefined) {
      const remote = skyWalkingContextOf(parent);
      if (remote !== undefined) references.push(toReference(remote));
      const { skipAnalysis = false, sentAtMs } = remote?.extension ?? {};
      const traceId = foreignTraceId(trace.traceId, trace.traceState);
      book = new SegmentBook(traceId, skipAnalysis, sentAtMs, new SegmentPart(this.#generator.create()));
      segment.book = book;
      book.part.isCold = this.#isCold;
      this.#isCold = false;
    } else if (book.part.hasLeft) {
      const { service, instance } = this.#settings.identity;
      if (parent !== undefined) references.push(book.reference(parent.spanId, service, instance));
      book.turnTo(new SegmentPart(this.#generator.create()));
    } else if (parent !== undefined) {
      const found = book.find(parent.spanId);
      if (found.part === book.part) {
        above = found.entry;
        parentNumber = found.number;
      } else {
        // Its parent left with an earlier part; the collector joins the two by a reference.
        const { service, instance } = this.#settings.identity;
        references.push(book.reference(parent.spanId, service, instance));
        parentNumber = 0;
      }
    }
    const { maxReferences } = this.#settings;
    for (const { context } of Array.isArray(links) ? (links as readonly Link[]) : []) {
      const remote = skyWalkingContextOf(context);
      if (remote !== undefined && references.length < maxReferences) references.push(toReference(remote));
    }
    return this.#enter(book.part, typeOf(kind), above, parentNumber, references);
  }

  onStart(span: OtelSpan, context?: OtelContext): void {
    if (!(span instanceof Span)) return;
    const book = segmentBookOf(span.segment);
    if (book === undefined) return;
    const { part, entry } = book.find(span.spanContext().spanId);
    // The innermost entry speaks for its segment, as it is the one that knows the route.
    if (entry?.type === SpanType.ENTRY ? part.speaksFrom <= 0 || entry.whole !== undefined : part.speaksFrom < 0) {
      part.speaker = span;
      part.speaksFrom = entry?.type === SpanType.ENTRY ? 1 : 0;
    }
    const { autoTagKeys } = this.#settings;
    if (autoTagKeys.length === 0 || context === undefined) return;
    const correlation = correlationOf(context);
    for (const key of autoTagKeys) {
      const value = correlation.get(key);
      if (value !== undefined) span.setAttribute(key, value);
    }
  }

  onEnd(span: SpanData): void {
    const book = segmentBookOf(span.segment);
    const found = book?.find(span.spanId);
    if (book === undefined || found?.entry === undefined || found.entry.hasEnded) return;
    const { part, entry } = found;
    entry.hasEnded = true;
    part.open--;
    if (part.speaker?.spanContext().spanId === span.spanId) {
      part.endpoint = operationOf(span.name);
      part.speaker = undefined;
    }
    if (entry.whole !== undefined) {
      part.entries.delete(entry.key);
      this.#mergeInto(entry.whole, entry, span);
    } else if (entry.isHidden) {
      part.entries.delete(entry.key);
    } else {
      entry.data = span;
      if (part.hasLeft) this.#continue(book, part, entry);
    }
    if (part.hasLeft || part.entries.get(0)?.hasEnded !== true) return;
    if (part.open === 0) this.#leave(book, part);
    else if (entry.number === 0 && entry.whole === undefined && !entry.isHidden) this.#wait(book, part);
  }

  stats(): SegmentStats {
    return {
      ...this.#queue.stats(),
      finished: this.#finished,
      continued: this.#continued,
      hiddenSpans: this.#hiddenSpans,
    };
  }

  /** Segments that wait for late spans leave without them. */
  async forceFlush(): Promise<void> {
    this.#leaveWaiting(Number.POSITIVE_INFINITY);
    await this.#queue.forceFlush();
  }

  async shutdown(): Promise<void> {
    this.#leaveWaiting(Number.POSITIVE_INFINITY);
    clearTimeout(this.#timer);
    await this.#queue.shutdown();
  }

  #enter(
    part: SegmentPart,
    type: SpanType,
    above: Entry | undefined,
    parentNumber: number,
    references: readonly ReferenceData[],
  ): string {
    // Java's rule: an entry inside an entry, and an exit inside an exit, are one span.
    const isMerged = above !== undefined && !above.hasEnded && type !== SpanType.LOCAL && above.type === type;
    const whole = isMerged ? (above.whole ?? above) : undefined;
    const isHidden = whole === undefined ? part.nextNumber >= this.#maxSpans : whole.isHidden;
    const key = whole === undefined && !isHidden ? part.nextNumber++ : part.nextHidden++;
    if (isHidden && whole === undefined) {
      part.isSizeLimited = true;
      this.#hiddenSpans++;
    }
    part.entries.set(key, {
      key,
      number: whole?.number ?? key,
      parentNumber,
      type,
      references,
      whole,
      depth: isMerged ? above.depth + 1 : 0,
      isHidden,
      hasEnded: false,
      peer: "",
      data: undefined,
      inner: undefined,
      innerDepth: 0,
    });
    part.open++;
    return part.spanIds.of(key);
  }

  #mergeInto(whole: Entry, { depth, peer }: Entry, span: SpanData): void {
    if (depth > whole.innerDepth) {
      whole.inner = span;
      whole.innerDepth = depth;
    }
    if (whole.peer === "") whole.peer = peer;
  }

  #wait(book: SegmentBook, part: SegmentPart): void {
    const { lateTimeoutMs, maxWaiting } = this.#settings;
    // Most late spans are not very late.
    while (this.#waiting[0]?.part.hasLeft === true) this.#waiting.shift();
    this.#waiting.push({ book, part, untilMs: performance.now() + lateTimeoutMs });
    if (this.#waiting.length > maxWaiting) {
      const first = this.#waiting.shift()!;
      this.#leave(first.book, first.part);
    }
    this.#timer ??= run(Context.root, () => setTimeout(() => this.#onTimer(), lateTimeoutMs)).unref();
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    this.#leaveWaiting(nowMs);
    const next = this.#waiting[0];
    if (next === undefined) return;
    this.#timer = run(Context.root, () => setTimeout(() => this.#onTimer(), next.untilMs - nowMs)).unref();
  }

  #leaveWaiting(nowMs: number): void {
    const { lateTimeoutMs } = this.#settings;
    let count = 0;
    // They were added in the order of their time; a timer may come a little early.
    for (const { book, part, untilMs } of this.#waiting) {
      if (untilMs > nowMs + Math.min(1, lateTimeoutMs)) break;
      count++;
      this.#leave(book, part);
    }
    this.#waiting.splice(0, count);
  }

  #leave(book: SegmentBook, part: SegmentPart): void {
    if (part.hasLeft) return;
    part.hasLeft = true;
    const entries: Entry[] = [];
    for (const [key, entry] of part.entries) {
      if (!entry.hasEnded) continue;
      entries.push(entry);
      part.entries.delete(key);
    }
    this.#send(book, part, entries);
  }

  /** A span that ended after its segment had left. */
  #continue(book: SegmentBook, part: SegmentPart, entry: Entry): void {
    part.entries.delete(entry.key);
    this.#continued++;
    const { service, instance } = this.#settings.identity;
    const reference = book.reference(part.spanIds.of(Math.max(0, entry.parentNumber)), service, instance);
    const references = [reference, ...entry.references];
    const alone: Entry = { ...entry, number: 0, parentNumber: -1, references };
    this.#send(book, new SegmentPart(this.#generator.create()), [alone]);
  }

  #send(book: SegmentBook, part: SegmentPart, entries: readonly Entry[]): void {
    this.#finished++;
    const { traceId, skipAnalysis, sentAtMs } = book;
    const { segmentId, isSizeLimited, isCold } = part;
    this.#queue.push({ traceId, segmentId, isSizeLimited, isCold, skipAnalysis, sentAtMs, entries });
  }
}
