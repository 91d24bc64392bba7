import { type Call, RetryInfoSchema, type ServiceError } from "@clew/rpc";

/**
 * Returns how long the server asks the client to wait before it sends the call again, in milliseconds: undefined when the server
 * does not say, Infinity for never. The server says so by gRPC's `grpc-retry-pushback-ms` (gRFC A6), by a google.rpc.RetryInfo in
 * the details of the error, or by HTTP's `retry-after` (RFC 9110 section 10.2.3: seconds, or a date).
 */
export function pushbackMs(attempt: Call, error: ServiceError): number | undefined {
  const pushback = replyHeader(attempt, "grpc-retry-pushback-ms");
  // A negative number, or text that is not a number, means: do not try again.
  if (pushback !== undefined) return /^\d{1,10}$/.test(pushback) ? Number(pushback) : Number.POSITIVE_INFINITY;
  const delay = error.detail(RetryInfoSchema)?.retryDelay;
  if (delay !== undefined) return Math.max(0, Number(delay.seconds) * 1000 + delay.nanos / 1e6);
  const after = replyHeader(attempt, "retry-after");
  if (after === undefined) return undefined;
  const ms = /^\d+(?:\.\d+)?$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function replyHeader(call: Call, name: string): string | undefined {
  return call.givenReplyTrailers?.get(name) ?? call.givenReplyMetadata?.get(name);
}
