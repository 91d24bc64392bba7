import { SpanKind } from "@opentelemetry/api";
import type { Segment } from "../segment.ts";
import type { Span } from "../span.ts";
import type { SpanData } from "../span-data.ts";
import type { Place } from "./header.ts";
import { SegmentSpanIds } from "./ids.ts";
import { operationOf } from "./operation.ts";
import { type ReferenceData, ReferenceType, SpanType } from "./segment-data.ts";

/** Numbers from here on belong to spans that SkyWalking does not see by themselves: merged ones, and those beyond the limit. */
const hiddenFrom = 2 ** 20;

/** How many finished parts are remembered, for references to them. */
const maxEarlierParts = 8;

/** What is kept of one span of a segment while it lives, and until the segment leaves. */
export interface Entry {
  /** What its span id follows from. */
  readonly key: number;
  /** Its number in the segment; a merged span has that of the span it is merged into. */
  readonly number: number;
  readonly parentNumber: number;
  readonly type: SpanType;
  readonly references: readonly ReferenceData[];
  /** The span this one is a part of, for SkyWalking: an entry inside an entry, an exit inside an exit. */
  readonly whole: Entry | undefined;
  /** How deep it is merged. */
  readonly depth: number;
  /** Whether it is beyond the limit, and does not leave. */
  readonly isHidden: boolean;
  hasEnded: boolean;
  /** Where the call of an exit went, as the header said. */
  peer: string;
  data: SpanData | undefined;
  /** Of an entry: what the innermost of those merged into it said; of an exit, only its peer is looked for there. */
  inner: SpanData | undefined;
  innerDepth: number;
}

/** A segment that has ended and can leave. */
export interface FinishedSegment {
  readonly traceId: string;
  readonly segmentId: string;
  readonly isSizeLimited: boolean;
  readonly skipAnalysis: boolean;
  /** When the message that began it was sent, unix milliseconds; undefined when it was none. */
  readonly sentAtMs: number | undefined;
  /** Whether its first span is to be told as the first of the process. */
  readonly isCold: boolean;
  /** Those with data, the first span first. */
  readonly entries: readonly Entry[];
}

/** One SkyWalking segment. A {@link SegmentBook} has several when work goes on after the first one left. */
export class SegmentPart {
  readonly segmentId: string;
  readonly spanIds: SegmentSpanIds;
  /** By their keys, merged and hidden ones too; after the part has left, those that have not ended. */
  readonly entries: Map<number, Entry> = new Map<number, Entry>();
  /** Whose operation is told to those who are called: the first entry span, or else the first span. */
  speaker: Span | undefined;
  endpoint = "";
  /** Who speaks: -1 nobody yet, 0 the first span, 1 an entry. */
  speaksFrom = -1;
  nextNumber = 0;
  nextHidden: number = hiddenFrom;
  /** Spans that have not ended. */
  open = 0;
  isSizeLimited = false;
  /** Whether it is the first of the process, and that is to be told. */
  isCold = false;
  hasLeft = false;

  constructor(segmentId: string) {
    this.segmentId = segmentId;
    this.spanIds = new SegmentSpanIds(segmentId);
  }
}

/** A span, found by its id. */
export interface Found {
  readonly part: SegmentPart;
  readonly number: number;
  /** Undefined when its part has left. */
  readonly entry: Entry | undefined;
}

function findIn(part: SegmentPart, spanId: string): Found | undefined {
  const key = part.spanIds.numberOf(spanId);
  if (key === undefined || (key >= part.nextNumber && (key < hiddenFrom || key >= part.nextHidden))) return undefined;
  const entry = part.entries.get(key);
  if (entry !== undefined) return { part, number: entry.isHidden ? 0 : entry.number, entry };
  return { part, number: key >= hiddenFrom ? 0 : key, entry: undefined };
}

/** What SkyWalking needs to know of one of our segments: kept in it, found through its spans. */
export class SegmentBook {
  /** The trace id as SkyWalking knows it. */
  readonly traceId: string;
  readonly skipAnalysis: boolean;
  /** When the message that began this was sent; undefined when it was none. */
  readonly sentAtMs: number | undefined;
  part: SegmentPart;
  readonly earlier: SegmentPart[] = [];

  constructor(traceId: string, skipAnalysis: boolean, sentAtMs: number | undefined, part: SegmentPart) {
    this.traceId = traceId;
    this.skipAnalysis = skipAnalysis;
    this.sentAtMs = sentAtMs;
    this.part = part;
  }

  /** Goes on in another part. */
  turnTo(part: SegmentPart): void {
    if (this.earlier.length === maxEarlierParts) this.earlier.splice(1, 1);
    this.earlier.push(this.part);
    this.part = part;
  }

  /** The part and the number, merged ones resolved, of a span; the first span of the newest part when it is not known. */
  find(spanId: string): Found {
    let found = findIn(this.part, spanId);
    for (let index = 0; found === undefined && index < this.earlier.length; index++) {
      found = findIn(this.earlier[index]!, spanId);
    }
    return found ?? { part: this.part, number: 0, entry: this.part.entries.get(0) };
  }

  /** Where a call comes from that is made by this span, to `address` if that is known. */
  place(spanId: string, address: string): Omit<Place, "service" | "instance"> {
    const { part, number, entry } = this.find(spanId);
    const whole = entry?.whole ?? entry;
    // The segment must name the same address as the header, or the collector takes them for two.
    if (whole !== undefined && address !== "" && whole.type === SpanType.EXIT) whole.peer = address;
    return { traceId: this.traceId, segmentId: part.segmentId, number, endpoint: endpointOf(part), address };
  }

  /** A reference to one of its spans, from later work of this process. */
  reference(spanId: string, service: string, instance: string): ReferenceData {
    const { part, number } = this.find(spanId);
    return {
      type: ReferenceType.CROSS_THREAD,
      traceId: this.traceId,
      parentSegmentId: part.segmentId,
      parentSpanId: number,
      parentService: service,
      parentInstance: instance,
      parentEndpoint: endpointOf(part),
      address: "",
    };
  }
}

/** The operation with which a part began, by the name it has now: a router may know it later than the server. */
export function endpointOf(part: SegmentPart): string {
  const record = part.speaker?.record;
  if (record !== undefined) part.endpoint = operationOf(record.name);
  return part.endpoint;
}

/** What `segment` has for SkyWalking; undefined when its spans do not leave as segments. */
export function segmentBookOf(segment: Segment | undefined): SegmentBook | undefined {
  return segment?.book instanceof SegmentBook ? segment.book : undefined;
}

/** SkyWalking's type of a span of this kind. */
export function typeOf(kind: SpanKind): SpanType {
  switch (kind) {
    case SpanKind.SERVER:
    case SpanKind.CONSUMER:
      return SpanType.ENTRY;
    case SpanKind.CLIENT:
    case SpanKind.PRODUCER:
      return SpanType.EXIT;
    default:
      return SpanType.LOCAL;
  }
}

/** The reference to a caller that spoke SkyWalking; one of our own is another thread. */
export function toReference({ place, isOwn }: { readonly place: Place; readonly isOwn: boolean }): ReferenceData {
  return {
    type: isOwn ? ReferenceType.CROSS_THREAD : ReferenceType.CROSS_PROCESS,
    traceId: place.traceId,
    parentSegmentId: place.segmentId,
    parentSpanId: place.number,
    parentService: place.service,
    parentInstance: place.instance,
    parentEndpoint: place.endpoint,
    address: isOwn ? "" : place.address,
  };
}
