import type { DecodedSpan, RawBatch } from "@clew/trace/otel";

/**
 * Keeps finished spans and answers questions about them. What is true of every store is in `trace-store.contract.ts`.
 *
 * Trace and span ids are lower-case hex. A span is stored once: the same span sent again changes nothing. Spans of a trace
 * may come in any order, in any number of batches.
 */
export interface TraceStore {
  /**
   * Stores a batch; done when the spans survive the end of this process. The store takes the batch over and may move its bytes
   * to another thread: do not read it afterwards. Rejects when writing failed; sending the batch again is safe.
   */
  ingest(batch: RawBatch): Promise<IngestResult>;

  /** A whole trace as one ExportTraceServiceRequest, by resource and scope, within them by start; null when unknown. */
  trace(traceId: string): Promise<Uint8Array | null>;

  /** What drawing a trace needs, without attributes; null when unknown. */
  skeleton(traceId: string): Promise<TraceSkeleton | null>;

  /** One span in full; null when unknown. */
  span(traceId: string, spanId: string): Promise<DecodedSpan | null>;

  /** Summaries of the traces that match, newest first. */
  search(query: TraceQuery, page?: PageRequest): Promise<SummaryPage>;

  /** Names of the services that have spans here, sorted. */
  services(): Promise<string[]>;

  /** Operations, sorted by name; of one service when it is given. */
  operations(service?: string): Promise<Operation[]>;

  /**
   * Which services there are and which calls which, in traces that started in the range: the newest first, until a limit is
   * reached.
   */
  serviceMap(range: TimeRange, limits?: ServiceMapLimits): Promise<ServiceMap>;

  /**
   * Calls `listener` with the summaries of traces that came or grew since the last call, a few times a second. Returns what
   * ends it. It does not keep the process running.
   */
  tail(listener: (summaries: Summary[]) => void): () => void;

  stats(): Promise<StoreStats>;

  /** Writes what was taken, then lets go of everything. Later calls reject. */
  close(): Promise<void>;
}

export interface IngestResult {
  /** True when the store has as much waiting as it takes: nothing was stored, and sending again later is the way. */
  readonly isFull: boolean;
  /** Spans stored. */
  readonly stored: number;
  /** Spans that were here already. */
  readonly duplicates: number;
}

/** One trace in a list. */
export interface Summary {
  readonly traceId: string;
  /** Of the root span; of the earliest one while the root has not arrived. */
  readonly rootService: string;
  readonly rootOperation: string;
  /** Like "GET /v1/users/1/messages", from the same span; null when it has none. */
  readonly path: string | null;
  /** Unix milliseconds. */
  readonly startMs: number;
  /** From the earliest start to the latest end. */
  readonly durationMs: number;
  readonly spanCount: number;
  readonly errorCount: number;
  /** In the order in which the trace came to them. */
  readonly services: readonly { readonly name: string; readonly spanCount: number; readonly errorCount: number }[];
  /** Whether the root span is here. */
  readonly complete: boolean;
}

/** A trace by columns: index `i` of each is the same span, ordered by start. */
export interface TraceSkeleton {
  readonly traceId: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly services: readonly string[];
  readonly operations: readonly string[];
  readonly spans: {
    readonly spanId: readonly string[];
    /** Index of the parent; -1 for a root, -2 when the parent has not arrived. */
    readonly parent: readonly number[];
    readonly service: readonly number[];
    readonly operation: readonly number[];
    /** Microseconds from `startMs`. */
    readonly startUs: readonly number[];
    readonly durationUs: readonly number[];
    readonly kind: readonly number[];
    readonly error: readonly (0 | 1)[];
  };
}

/** All that is given must hold. */
export interface TraceQuery {
  /** `service`, `caller`, `operation`, `tags` and `spanMinUs`, `spanMaxUs` must hold for one and the same span. */
  service?: string;
  /** Another service, which the span's parent is of: with `service`, the traces in which one calls the other. */
  caller?: string;
  operation?: string;
  /**
   * An attribute of the span or of its resource, compared as text. "error" = "true" is a span that failed; with `caller`, a call
   * that failed as {@link Dependency} counts it.
   */
  tags?: readonly Tag[];
  spanMinUs?: number;
  spanMaxUs?: number;
  /** Only traces with a failed span. */
  hasError?: boolean;
  /** Bounds of the whole trace's duration, inclusive. */
  minDurationUs?: number;
  maxDurationUs?: number;
  /** Bounds of the trace's start, inclusive. */
  start?: TimeRange;
}

export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** Unix microseconds, inclusive. */
export interface TimeRange {
  readonly fromUs: number;
  readonly toUs: number;
}

export interface PageRequest {
  /** Default: 50. At most 1000. */
  limit?: number;
  /** {@link SummaryPage.next} of the page before. */
  before?: string;
}

export interface SummaryPage {
  readonly summaries: Summary[];
  /**
   * Where the next page begins; null when there is none. A store may end a page before it is full, even empty, when it
   * looked at very many traces that do not match: going on from here goes on looking.
   */
  readonly next: string | null;
}

export interface Operation {
  readonly service: string;
  readonly name: string;
  /** SpanKind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
}

export interface ServiceMapLimits {
  /** How many spans are looked at. Default: 100_000. At most 1_000_000. */
  maxSpans?: number;
  /** How many services are given, those with the most calls, and the dependencies between them. Default: 100. At most 1000. */
  maxServices?: number;
  /**
   * How many databases and queues are given, those used most. Default: 0, and no span's attributes and links are read. At most
   * 1000.
   */
  maxBackings?: number;
}

export interface ServiceMap {
  /** Sorted by name. */
  readonly services: readonly ServiceStats[];
  /** Sorted by parent, then by child. */
  readonly dependencies: readonly Dependency[];
  /**
   * Databases and queues, when they were asked for; sorted. A call that went by way of a queue is in `backingCalls` twice, as it
   * went in and as it was taken out, and no longer in `dependencies`.
   */
  readonly backings: readonly BackingStats[];
  /** Sorted by backing; of a queue first those that send. */
  readonly backingCalls: readonly BackingCall[];
  /**
   * Spans of `child` without a parent in another service that have a link to a span of `parent`, unless a queue is known to be
   * between them. Read with the backings; sorted like `dependencies`.
   */
  readonly links: readonly Dependency[];
  /** How many databases and queues were met; more than are in `backings` when there was a limit. */
  readonly backingCount: number;
  /** How many services were met; more than are in `services` when there was a limit. */
  readonly serviceCount: number;
  /** How many spans were looked at. */
  readonly spanCount: number;
  /** Where looking ended for the limit, Unix milliseconds: what started earlier was left out. Null when nothing was. */
  readonly cutAtMs: number | null;
}

export interface CallStats {
  readonly callCount: number;
  /** Of these, how many failed. */
  readonly errorCount: number;
  /** Half of the calls took no longer than this, in milliseconds; 0 when there are none. As the callee saw it. */
  readonly p50Ms: number;
  /** The same of 95 in a hundred. */
  readonly p95Ms: number;
}

/**
 * A service, and what it was asked to do: its spans whose parent is of another service, and those that begin a trace. A call
 * failed when the service's own span says so.
 */
export interface ServiceStats extends CallStats {
  readonly name: string;
}

/**
 * One service calls another: spans of `child` whose parent is a span of `parent`. A call failed when either end says so: the
 * span of `child`, or its parent when that is a client's or a producer's. A 404 is an error of the client alone.
 */
export interface Dependency extends CallStats {
  readonly parent: string;
  readonly child: string;
}

/** What services call that sends no spans of its own, as their spans name it. */
export interface Backing {
  readonly kind: "database" | "queue";
  /** By its present name in the conventions: "postgresql", "kafka". Empty when no span said it. */
  readonly system: string;
  /** A database's namespace, a queue's destination. Empty when no span said it, or when it is of one message alone. */
  readonly name: string;
  /** Of a database, with its port when that is not the usual one. Empty when no span said it. */
  readonly host: string;
}

/**
 * What a database was asked, or what was sent into a queue, as those that did it saw it. Spans of one and the same call, of libraries
 * one on top of the other, are one.
 */
export interface BackingStats extends Backing, CallStats {}

/** Calls of one service: those by its own spans. */
export interface BackingCall extends CallStats {
  readonly service: string;
  /** Index into {@link ServiceMap.backings}. */
  readonly backing: number;
  /** Takes from a queue, and is timed as it works on what it took; false when it sends or asks. */
  readonly isTaking: boolean;
  /** With `service`, a search for them finds the traces of such calls. Of several ways to write them, the newest. */
  readonly tags: readonly Tag[];
}

export interface StoreStats {
  readonly spans: number;
  readonly traces: number;
  /** What the store takes on disk. */
  readonly bytes: number;
  /** Start of the oldest trace, Unix milliseconds; null when there is none. */
  readonly oldestMs: number | null;
  /** Spans turned away because the store was full, since it was opened. */
  readonly droppedSpans: number;
  /** Spans turned away because they were invalid, since it was opened. */
  readonly rejectedSpans: number;
}
