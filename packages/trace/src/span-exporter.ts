import type { SpanData } from "./span-data.ts";

/** What became of the spans handed to an exporter. */
export interface ExportResult {
  /**
   * "exported": the destination took them. "failed": it refused them, or never will take them; they must not be sent again.
   * "unavailable": it could not be asked, and the same spans may be handed over again.
   */
  readonly outcome: "exported" | "failed" | "unavailable";
  /** Of exported spans, those that the destination refused one by one. Default: 0. */
  readonly rejectedSpans?: number;
  /** With "unavailable": how long the destination asked to be left alone. Default: the caller decides. */
  readonly retryAfterMs?: number;
  /** Why it was not "exported". */
  readonly error?: Error;
}

/** What it took to send telemetry over a network so far. */
export interface SendingStats {
  /** Requests sent, retries among them. */
  readonly requests: number;
  readonly retries: number;
  /** Bytes of request bodies, before what the connection adds. */
  readonly sentBytes: number;
}

/** Brings finished spans somewhere. */
export interface SpanExporter {
  /** What kind it is, in OpenTelemetry's words for `otel.component.type` where there is one. Default: the name of its class. */
  readonly componentType?: string;
  /** Tells what it took to send. Default: nothing is told. */
  sendingStats?(): SendingStats;
  /** Called with one batch at a time; resolves when its fate is known. It should not reject, and a rejection counts as "failed". */
  export(spans: readonly SpanData[]): Promise<ExportResult>;
  /** Cuts off what is under way and lets go of sockets and files. */
  shutdown(): Promise<void>;
}

/** Spans, written as they will be sent. */
export interface EncodedBatch {
  /** Spans in it. */
  readonly length: number;
  readonly byteLength: number;
  /** Writes one more, which has just ended. Its `attributes` need not be all: ask `attributesOf`. */
  add(span: SpanData): void;
  /** Takes the span that came last into a batch of its own. */
  splitLast(): EncodedBatch;
  /** Says that nobody reads it any more: others may have its memory. */
  release(): void;
}

/** An exporter whose spans are written when they end, which is cheapest while they are fresh, and not when it is their turn. */
export interface EncodingExporter extends SpanExporter {
  /** A batch with nothing in it, that gathers spans for {@link export}. Undefined: spans wait as they are. */
  readonly createBatch: (() => EncodedBatch) | undefined;
  /** Of batches, takes only those that it made. */
  export(spans: readonly SpanData[] | EncodedBatch): Promise<ExportResult>;
}
