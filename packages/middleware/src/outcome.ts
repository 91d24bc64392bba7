import { type Call, GrpcCode, ServiceError, toGrpcCode } from "@clew/rpc";

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

/**
 * The `error.type` of a call, for spans and metrics alike; undefined for one that is no error of this side. By the stable conventions
 * of OpenTelemetry every failure is one of the client, but of the server only what is none of its caller's: in HTTP a status from 500,
 * in gRPC and its kin UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS, which are the same but for UNKNOWN.
 */
export function errorTypeOf({ side, http }: Call, code: number, error: ServiceError | undefined): string | undefined {
  const isError =
    side === "client"
      ? error !== undefined
      : code >= 500 || (http === undefined && error !== undefined && toGrpcCode(code) === GrpcCode.UNKNOWN);
  return isError ? error?.reason || String(code) : undefined;
}
