import type { Call, ServiceError } from "@clew/rpc";
import type { Attributes, Span } from "@opentelemetry/api";
import {
  EVENT_RPC_MESSAGE,
  RPC_MESSAGE_ID,
  RPC_MESSAGE_TYPE,
  RPC_MESSAGE_UNCOMPRESSED_SIZE,
} from "./semantic-conventions.ts";

/** What the event of a message is called, and what it tells. */
export interface MessageNames {
  readonly event: string;
  readonly type: string;
  readonly id: string;
  readonly size: string;
}

/** What a span tells of its call, in one set of names. */
export interface SpanWriter {
  readonly messageNames: MessageNames;
  /** What is the same for every call of this method that comes the same way. */
  describe(call: Call): Attributes;
  start(span: Span, call: Call): void;
  /** How large the messages were, in bytes of protobuf; undefined where there was none. */
  writeSizes(span: Span, call: Call, received: number | undefined, sent: number | undefined): void;
  end(span: Span, call: Call, code: number, error: ServiceError | undefined): void;
}

/** Those of the conventions as they are. */
export const semconvMessageNames: MessageNames = {
  event: EVENT_RPC_MESSAGE,
  type: RPC_MESSAGE_TYPE,
  id: RPC_MESSAGE_ID,
  size: RPC_MESSAGE_UNCOMPRESSED_SIZE,
};

/** The cause is what a developer looks for; it is in the trace and never on the wire. */
export function recordError(span: Span, error: ServiceError): void {
  const { name, message, stack } = error.cause instanceof Error ? error.cause : error;
  span.recordException({ name, message, ...(stack !== undefined && { stack }) });
}

/** The error of a call with what only Clew has names for: its code and its reason. */
export function recordFailure(span: Span, code: number, error: ServiceError): void {
  span.setAttribute("clew.code", code);
  if (error.reason !== "") span.setAttribute("clew.reason", error.reason);
  recordError(span, error);
}
