import type { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { FlatAttributes } from "./attributes.ts";
import type { Resource } from "./resource.ts";
import type { Segment } from "./segment.ts";

/** The creator of a span: the library or the part of the app that requested the tracer. There is one object per tracer. */
export interface Scope {
  readonly name: string;
  /** Empty if unknown. */
  readonly version: string;
  /** The URL of the conventions that its attributes follow; empty if unknown. */
  readonly schemaUrl: string;
}

/** An event at one moment of a span. */
export interface EventData {
  readonly name: string;
  /** Unix microseconds. */
  readonly timeUs: number;
  readonly attributes: FlatAttributes;
  /** Attributes given beyond the limit. */
  readonly droppedAttributes: number;
}

/** A link to a related span that is not the parent. */
export interface LinkData {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  /** As in the `tracestate` header; empty when there is none. */
  readonly traceState: string;
  readonly isRemote: boolean;
  readonly attributes: FlatAttributes;
  /** Attributes given beyond the limit. */
  readonly droppedAttributes: number;
}

/**
 * The record of a span: written while the span lives, finished and never changed from its end on. Buffers, encoders, exporters
 * and stores read only this. Ids are lower-case hex, times are unix microseconds as a double (exact to 0.25 us).
 */
export interface SpanData {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** 16 hex digits; empty for the root of a trace. */
  readonly parentSpanId: string;
  /** Whether the parent lives in another process. */
  readonly isParentRemote: boolean;
  /** The W3C flags: 1 is sampled, 2 is a random trace id. */
  readonly traceFlags: number;
  /** As in the `tracestate` header; empty when there is none. */
  readonly traceState: string;
  readonly name: string;
  /** The API's numbers, INTERNAL 0 to CONSUMER 4; OTLP's are one more. */
  readonly kind: SpanKind;
  readonly startUs: number;
  /** Not before the start. */
  readonly endUs: number;
  readonly statusCode: SpanStatusCode;
  /** Empty unless the status is an error. */
  readonly statusMessage: string;
  readonly attributes: FlatAttributes;
  /** Attributes given beyond the limit. */
  readonly droppedAttributes: number;
  /** In the order they were added. */
  readonly events: readonly EventData[];
  /** Events added beyond the limit. */
  readonly droppedEvents: number;
  readonly links: readonly LinkData[];
  /** Links added beyond the limit. */
  readonly droppedLinks: number;
  readonly scope: Scope;
  readonly resource: Resource;
  /** The state shared with the other spans under its local root; undefined if the span was not created by our tracer. */
  readonly segment?: Segment;
}
