import type { Context, Span } from "@opentelemetry/api";
import type { SpanData } from "./span-data.ts";

/** What a provider hands its spans to. None of it may throw or wait: it is called in the middle of the app's work. */
export interface SpanProcessor {
  /**
   * Whether it is handed spans that no sampler wanted, too: they are recorded, go over the wire as not sampled, and their
   * `traceFlags` say so. Asked once, when a provider is made. Default: false.
   */
  readonly recordsUnsampled?: boolean;
  /**
   * Whether it writes each span when it ends, and nobody else sees it: what spans have in common is not put into their `attributes`
   * then, and `attributesOf` tells all. Default: false.
   */
  readonly onlyEncodes?: boolean;
  /** A span has started, under what `context` holds. */
  onStart(span: Span, context?: Context): void;
  /** The same span has ended; nothing changes its record any more. */
  onEnd(span: SpanData): void;
  /** Resolves once every span that ended before is out of the process, or given up. */
  forceFlush(): Promise<void>;
  /** Flushes within a deadline of its own, and takes no more spans. Never rejects. */
  shutdown(): Promise<void>;
}
