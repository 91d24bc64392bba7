import type { SpanData } from "./span-data.ts";

/** The outcome of an export of spans. */
export interface ExportResult {
  /**
   * "exported": the destination accepted the spans. "failed": it refused them, or can never accept them; they must not be sent again.
   * "unavailable": the destination could not be reached, and the same spans may be exported again.
   */
  readonly outcome: "exported" | "failed" | "unavailable";
  /** The number of exported spans that the destination refused individually. Default: 0. */
  readonly rejectedSpans?: number;
  /** With "unavailable": the delay that the destination asked for, in milliseconds. Default: the caller decides. */
  readonly retryAfterMs?: number;
  /** Why the outcome is not "exported", or why spans were rejected. */
  readonly error?: Error;
}

/** The requests and bytes sent over a network so far. */
export interface SendingStats {
  /** Requests sent, including retries. */
  readonly requests: number;
  readonly retries: number;
  /** Bytes of request bodies, without the overhead of the connection. */
  readonly sentBytes: number;
}

/** Sends finished spans to a destination. */
export interface SpanExporter {
  /** The kind of exporter: OpenTelemetry's `otel.component.type`, where one is defined. Default: the name of its class. */
  readonly componentType?: string;
  /** Returns the requests and bytes sent so far. Default: they are not counted. */
  sendingStats?(): SendingStats;
  /** Called with one batch at a time; resolves when its outcome is known. It should not reject; a rejection counts as "failed". */
  export(spans: readonly SpanData[]): Promise<ExportResult>;
  /** Aborts pending exports and releases sockets and files. */
  shutdown(): Promise<void>;
}

/** Spans, encoded as they will be sent. */
export interface EncodedBatch {
  /** The number of spans in the batch. */
  readonly length: number;
  readonly byteLength: number;
  /** Encodes one more span, which has just ended. Its `attributes` may be incomplete: use `attributesOf`. */
  add(span: SpanData): void;
  /** Moves the last span to a new batch. */
  splitLast(): EncodedBatch;
  /** Releases the batch: its memory may be reused. */
  release(): void;
}

/** An exporter whose spans are encoded when they end, not when they are exported: encoding is cheapest just after they were recorded. */
export interface EncodingExporter extends SpanExporter {
  /** Creates an empty batch that collects spans for {@link export}. If it is undefined, spans wait without being encoded. */
  readonly createBatch: (() => EncodedBatch) | undefined;
  /** Accepts spans, or a batch that this exporter created. */
  export(spans: readonly SpanData[] | EncodedBatch): Promise<ExportResult>;
}
