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

/** `10.0.0.5:9000` and `[::1]:9000` as two attributes. */
export function setAddress(span: Span, address: string, addressName: string, portName: string): void {
  if (address === "") return;
  const colon = address.lastIndexOf(":");
  // No port follows the address in `[::1]`.
  const port = colon < 1 || address.endsWith("]") ? Number.NaN : Number(address.slice(colon + 1));
  const host = Number.isInteger(port) ? address.slice(0, colon) : address;
  span.setAttribute(addressName, host.startsWith("[") ? host.slice(1, -1) : host);
  if (host !== address) span.setAttribute(portName, port);
}

/** The cause is what a developer looks for; it is in the trace and never on the wire. */
export function recordError(span: Span, error: ServiceError): void {
  const { name, message, stack } = error.cause instanceof Error ? error.cause : error;
  span.recordException({ name, message, ...(stack !== undefined && { stack }) });
}
