import type { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { FlatAttributes } from "./attributes.ts";
import type { Resource } from "./resource.ts";
import type { Segment } from "./segment.ts";

/** Who made a span: the library or the part of the app that asked for the tracer. One object per tracer. */
export interface Scope {
  readonly name: string;
  /** Empty when it is not known. */
  readonly version: string;
  /** Of the conventions its attributes follow; empty when it is not known. */
  readonly schemaUrl: string;
}

/** Something that happened at one moment of a span. */
export interface EventData {
  readonly name: string;
  /** Unix microseconds. */
  readonly timeUs: number;
  readonly attributes: FlatAttributes;
  /** Attributes given beyond the limit. */
  readonly droppedAttributes: number;
}

/** Another span that this one has to do with, without being its child. */
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
  /** What it shares with the other spans under its local root; undefined when the span was not made by a tracer of ours. */
  readonly segment?: Segment;
}
