import { type Call, GrpcCode, ServiceError, toGrpcCode } from "@clew/rpc";

// How a call ended, for the middlewares that tell of it.

/**
 * Returns the error that a call ended with; undefined when it succeeded. Over HTTP, a thrown error with a code below 400 is a reply
 * like any other: a Redirect sends its caller elsewhere.
 */
export function failureOf({ http }: Call, thrown: unknown): ServiceError | undefined {
  if (thrown === undefined) return undefined;
  const error = ServiceError.from(thrown);
  return http !== undefined && error.code < 400 ? undefined : error;
}

/** Returns the code that a call ended with: that of the thrown error, or the status of its reply. */
export function codeOf({ http }: Call, thrown: unknown): number {
  return thrown === undefined ? (http?.status ?? 200) : ServiceError.from(thrown).code;
}

/**
 * Returns the `error.type` of a call, for spans and metrics; undefined when the call is not an error of this side. In OpenTelemetry's
 * stable conventions every failure is an error of the client, but only failures that the caller did not cause are errors of the
 * server: in HTTP a status from 500; in gRPC and similar protocols UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE
 * and DATA_LOSS. Both lists cover the same codes, except for UNKNOWN.
 */
export function errorTypeOf({ side, http }: Call, code: number, error: ServiceError | undefined): string | undefined {
  const isError =
    side === "client"
      ? error !== undefined
      : code >= 500 || (http === undefined && error !== undefined && toGrpcCode(code) === GrpcCode.UNKNOWN);
  return isError ? error?.reason || String(code) : undefined;
}
