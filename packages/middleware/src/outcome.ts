import { type Call, ServiceError } from "@clew/rpc";

// How a call ended, for the middlewares that tell of it.

/**
 * The error that a call ended with; undefined when it went well. Over HTTP a code below 400 that was thrown is a reply like any other: a
 * Redirect sends its caller elsewhere.
 */
export function failureOf({ http }: Call, thrown: unknown): ServiceError | undefined {
  if (thrown === undefined) return undefined;
  const error = ServiceError.from(thrown);
  return http !== undefined && error.code < 400 ? undefined : error;
}

/** The code that a call ended with: that of what was thrown, or the status of its reply. */
export function codeOf({ http }: Call, thrown: unknown): number {
  return thrown === undefined ? (http?.status ?? 200) : ServiceError.from(thrown).code;
}
