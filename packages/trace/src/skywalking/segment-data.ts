/** What SkyWalking calls the kinds of spans. */
export const SpanType = { ENTRY: 0, EXIT: 1, LOCAL: 2 } as const;
export type SpanType = (typeof SpanType)[keyof typeof SpanType];

/** Whether a reference leads to another process, or to other work of this one. */
export const ReferenceType = { CROSS_PROCESS: 0, CROSS_THREAD: 1 } as const;
export type ReferenceType = (typeof ReferenceType)[keyof typeof ReferenceType];

/** What a span has to do with. The numbers and names are those of `language-agent/Tracing.proto`. */
export const SpanLayer = {
  UNKNOWN: 0,
  DATABASE: 1,
  RPC_FRAMEWORK: 2,
  HTTP: 3,
  MQ: 4,
  CACHE: 5,
  FAAS: 6,
  GEN_AI: 7,
} as const;
export type SpanLayer = (typeof SpanLayer)[keyof typeof SpanLayer];

/** The parent of a span that lives in another segment. */
export interface ReferenceData {
  readonly type: ReferenceType;
  readonly traceId: string;
  readonly parentSegmentId: string;
  readonly parentSpanId: number;
  readonly parentService: string;
  readonly parentInstance: string;
  readonly parentEndpoint: string;
  /** Where the parent's process reached this one. */
  readonly address: string;
}

export interface LogEntry {
  /** Unix milliseconds. */
  readonly timeMs: number;
  /** key, value, key, value. */
  readonly data: readonly string[];
}

/** One span as SkyWalking has it (`SpanObject`). */
export interface SegmentSpan {
  /** Its number in the segment. */
  readonly spanId: number;
  /** -1 for the first span. */
  readonly parentSpanId: number;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly references: readonly ReferenceData[];
  readonly operation: string;
  readonly peer: string;
  readonly type: SpanType;
  readonly layer: SpanLayer;
  readonly componentId: number;
  readonly isError: boolean;
  /** key, value, key, value; each key once. */
  readonly tags: readonly string[];
  readonly logs: readonly LogEntry[];
  readonly skipAnalysis: boolean;
}

/** All spans of one trace under one local root in one process (`SegmentObject`). */
export interface SegmentData {
  readonly traceId: string;
  readonly segmentId: string;
  readonly spans: readonly SegmentSpan[];
  readonly service: string;
  readonly instance: string;
  /** Whether there were more spans than a segment may have. */
  readonly isSizeLimited: boolean;
}
