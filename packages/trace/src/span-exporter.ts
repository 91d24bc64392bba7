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
  /** Called when a span has ended and before it waits, for work that is cheaper while the span is fresh. It must be short. */
  onEnd?(span: SpanData): void;
  /** Called with one batch at a time; resolves when its fate is known. It should not reject, and a rejection counts as "failed". */
  export(spans: readonly SpanData[]): Promise<ExportResult>;
  /** Cuts off what is under way and lets go of sockets and files. */
  shutdown(): Promise<void>;
}
