import type { Context, Span } from "@opentelemetry/api";
import type { SpanData } from "./span-data.ts";

/** Receives the spans of a provider. Its methods must not throw or block: they are called in the middle of the app's work. */
export interface SpanProcessor {
  /**
   * Whether it also receives spans that the sampler rejected. Such spans are recorded and propagated as not sampled, and their
   * `traceFlags` are those of an unsampled span. Read once, when a provider is created. Default: false.
   */
  readonly recordsUnsampled?: boolean;
  /**
   * Whether it encodes each span when it ends, and no one else sees the span. Then the attributes that spans share are not copied into
   * their `attributes`, and `attributesOf` returns all of them. Default: false.
   */
  readonly onlyEncodes?: boolean;
  /** Called when a span has started; `context` contains its parent. */
  onStart(span: Span, context?: Context): void;
  /** Called when the span has ended; its record no longer changes. */
  onEnd(span: SpanData): void;
  /** Resolves when every span that ended before is exported, or given up. */
  forceFlush(): Promise<void>;
  /** Flushes within its own deadline, and accepts no more spans. Never rejects. */
  shutdown(): Promise<void>;
}
