import type { Link, SpanContext, SpanKind, TraceState } from "@opentelemetry/api";
import type { Segment } from "./segment.ts";

/** With what a new trace begins. */
export interface NewTrace {
  /** 32 hex digits. */
  readonly traceId: string;
  readonly traceState?: TraceState;
}

/**
 * Where the ids of spans come from, for dialects that number theirs. Without one they are random. Its methods are called in the
 * middle of the app's work: they must neither throw nor wait.
 */
export interface IdSource {
  createTrace(): NewTrace;
  /**
   * The id of a span that is about to be made: 16 hex digits. `segment` is what it shares with the spans under its local root, and
   * the source may keep something of its own there.
   */
  createSpanId(
    segment: Segment,
    trace: NewTrace,
    parent: SpanContext | undefined,
    kind: SpanKind,
    links: readonly Link[] | undefined,
  ): string;
}
