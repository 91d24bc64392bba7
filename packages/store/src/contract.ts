import type { DecodedSpan, RawBatch } from "@clew/trace/otel";

/**
 * Stores finished spans and answers queries about them. `trace-store.contract.ts` tests what every store promises.
 *
 * Trace and span ids are lower-case hex. A span is stored once: sending it again changes nothing. The spans of a trace may
 * arrive in any order and in any number of batches.
 */
export interface TraceStore {
  /**
   * Stores a batch. Resolves when the spans survive the end of this process. The store takes over the batch and may move its
   * bytes to another thread: do not read it afterwards. Rejects when writing failed; sending the batch again is safe.
   */
  ingest(batch: RawBatch): Promise<IngestResult>;

  /**
   * Returns a whole trace as one ExportTraceServiceRequest, grouped by resource and scope and sorted by start; null when the
   * trace is unknown.
   */
  trace(traceId: string): Promise<Uint8Array | null>;

  /** Returns what is needed to draw a trace, without attributes; null when the trace is unknown. */
  skeleton(traceId: string): Promise<TraceSkeleton | null>;

  /** Returns one complete span; null when it is unknown. */
  span(traceId: string, spanId: string): Promise<DecodedSpan | null>;

  /** Returns summaries of the matching traces, newest first. */
  search(query: TraceQuery, page?: PageRequest): Promise<SummaryPage>;

  /** Returns the names of all services with spans in the store, sorted. */
  services(): Promise<string[]>;

  /** Returns operations, sorted by name; only those of `service` if it is given. */
  operations(service?: string): Promise<Operation[]>;

  /**
   * Returns the services and the calls between them, in traces that started in the range. The newest traces are read first,
   * until a limit is reached.
   */
  serviceMap(range: TimeRange, limits?: ServiceMapLimits): Promise<ServiceMap>;

  /**
   * Calls `listener` a few times per second with the summaries of traces that arrived or grew since its last call. Returns a
   * function that ends it. It does not keep the process alive.
   */
  tail(listener: (summaries: Summary[]) => void): () => void;

  stats(): Promise<StoreStats>;

  /** Writes everything that was accepted, then closes the store. Later calls reject. */
  close(): Promise<void>;
}

export interface IngestResult {
  /** True when too many spans wait to be written: nothing was stored, and the sender should try again later. */
  readonly isFull: boolean;
  /** The number of spans stored. */
  readonly stored: number;
  /** The number of spans that the store already had. */
  readonly duplicates: number;
}

/** One trace in a list. */
export interface Summary {
  readonly traceId: string;
  /** The service of the root span, or of the earliest span while the root has not arrived. */
  readonly rootService: string;
  readonly rootOperation: string;
  /** A path like "GET /v1/users/1/messages", from the same span; null when it has none. */
  readonly path: string | null;
  /** Unix milliseconds. */
  readonly startMs: number;
  /** From the earliest start to the latest end. */
  readonly durationMs: number;
  readonly spanCount: number;
  readonly errorCount: number;
  /** In the order in which the trace reached them. */
  readonly services: readonly { readonly name: string; readonly spanCount: number; readonly errorCount: number }[];
  /** Whether the root span has arrived. */
  readonly complete: boolean;
}

/** A trace in columns: index `i` of each is the same span, sorted by start. */
export interface TraceSkeleton {
  readonly traceId: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly services: readonly string[];
  readonly operations: readonly string[];
  readonly spans: {
    readonly spanId: readonly string[];
    /** The index of the parent; -1 for a root, -2 when the parent has not arrived. */
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

/** All given conditions must hold. */
export interface TraceQuery {
  /** `service`, `caller`, `operation`, `tags` and `spanMinUs`, `spanMaxUs` must hold for the same span. */
  service?: string;
  /**
   * The service of the span's parent, if it differs: together with `service`, selects traces in which `caller` calls `service`.
   */
  caller?: string;
  operation?: string;
  /**
   * An attribute of the span or of its resource, compared as text. "error" = "true" matches a failed span; with `caller`, a
   * failed call as {@link Dependency} counts it.
   */
  tags?: readonly Tag[];
  spanMinUs?: number;
  spanMaxUs?: number;
  /** Only traces with a failed span. */
  hasError?: boolean;
  /** Limits of the whole trace's duration, inclusive. */
  minDurationUs?: number;
  maxDurationUs?: number;
  /** Limits of the trace's start, inclusive. */
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
  /** {@link SummaryPage.next} of the previous page. */
  before?: string;
}

export interface SummaryPage {
  readonly summaries: Summary[];
  /**
   * The beginning of the next page; null when there is none. A store may end a page before it is full, even empty, when it has
   * read very many traces that do not match: the next page continues the search.
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
  /** The maximum number of spans that are read. Default: 100_000. At most 1_000_000. */
  maxSpans?: number;
  /**
   * The maximum number of services in the result: those with the most calls, and the dependencies between them. Default: 100.
   * At most 1000.
   */
  maxServices?: number;
  /**
   * The maximum number of databases and queues in the result, the most used first. Default: 0, and no attributes and links of
   * spans are read. At most 1000.
   */
  maxBackings?: number;
}

export interface ServiceMap {
  /** Sorted by name. */
  readonly services: readonly ServiceStats[];
  /** Sorted by parent, then by child. */
  readonly dependencies: readonly Dependency[];
  /**
   * Databases and queues, if they were requested; sorted. A call through a queue is in `backingCalls` twice, once for sending
   * and once for receiving, and no longer in `dependencies`.
   */
  readonly backings: readonly BackingStats[];
  /** Sorted by backing; for a queue, senders first. */
  readonly backingCalls: readonly BackingCall[];
  /**
   * Spans of `child` that have no parent in another service but a link to a span of `parent`, unless a known queue is between
   * them. Read together with the backings; sorted like `dependencies`.
   */
  readonly links: readonly Dependency[];
  /** The number of databases and queues found; more than in `backings` when the limit was reached. */
  readonly backingCount: number;
  /** The number of services found; more than in `services` when the limit was reached. */
  readonly serviceCount: number;
  /** The number of spans that were read. */
  readonly spanCount: number;
  /**
   * Where reading ended because of the limit, in Unix milliseconds: traces that started earlier were left out. Null when none
   * were.
   */
  readonly cutAtMs: number | null;
}

export interface CallStats {
  readonly callCount: number;
  /** The number of these calls that failed. */
  readonly errorCount: number;
  /** Half of the calls took at most this long, in milliseconds, measured by the callee; 0 when there are none. */
  readonly p50Ms: number;
  /** 95 of 100 calls took at most this long. */
  readonly p95Ms: number;
}

/**
 * The calls that a service received: its spans whose parent belongs to another service, and those that begin a trace. A call
 * failed if the service's own span says so.
 */
export interface ServiceStats extends CallStats {
  readonly name: string;
}

/**
 * The calls of one service to another: spans of `child` whose parent is a span of `parent`. A call failed if either side says
 * so: the span of `child`, or its parent if that is a span of a client or a producer. A 404 is an error of the client only.
 */
export interface Dependency extends CallStats {
  readonly parent: string;
  readonly child: string;
}

/** A database or queue that services call and that sends no spans itself, as the services' spans name it. */
export interface Backing {
  readonly kind: "database" | "queue";
  /** The current name in the conventions: "postgresql", "kafka". Empty when no span names it. */
  readonly system: string;
  /**
   * The namespace of a database, the destination of a queue. Empty when no span names it, or when it belongs to a single
   * message.
   */
  readonly name: string;
  /** The host of a database, with its port if that is not the usual one. Empty when no span names it. */
  readonly host: string;
}

/**
 * The requests to a database, or the messages sent to a queue, as the calling services saw them. Spans of the same call, made by
 * libraries on top of each other, count once.
 */
export interface BackingStats extends Backing, CallStats {}

/** The calls of one service, counted by its own spans. */
export interface BackingCall extends CallStats {
  readonly service: string;
  /** Index into {@link ServiceMap.backings}. */
  readonly backing: number;
  /** True if the service receives from a queue; its time is then that of processing. False if it sends or requests. */
  readonly isTaking: boolean;
  /**
   * Searching for these tags together with `service` finds the traces of such calls. If there are several forms of them, the
   * newest.
   */
  readonly tags: readonly Tag[];
}

export interface StoreStats {
  readonly spans: number;
  readonly traces: number;
  /** The size of the store on disk. */
  readonly bytes: number;
  /** The start of the oldest trace, in Unix milliseconds; null when there is none. */
  readonly oldestMs: number | null;
  /** The number of spans refused because the store was full, since it was opened. */
  readonly droppedSpans: number;
  /** The number of spans rejected as invalid, since the store was opened. */
  readonly rejectedSpans: number;
}
