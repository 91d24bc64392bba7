import type { Call, ServiceError } from "@clew/rpc";
import type { Attributes, Span } from "@opentelemetry/api";

/** What a span tells of its call, in one set of names. */
export interface SpanWriter {
  /** What is the same for every call of this method that comes the same way. */
  describe(call: Call): Attributes;
  start(span: Span, call: Call): void;
  /** How large the messages were, in bytes of protobuf; undefined where there was none. */
  writeSizes(span: Span, call: Call, received: number | undefined, sent: number | undefined): void;
  end(span: Span, call: Call, code: number, error: ServiceError | undefined): void;
}

/** The cause is what a developer looks for; it is in the trace and never on the wire. */
export function recordError(span: Span, error: ServiceError): void {
  const { name, message, stack } = error.cause instanceof Error ? error.cause : error;
  span.recordException({ name, message, ...(stack !== undefined && { stack }) });
}
