import { ServiceError } from "@clew/rpc";

/** Decides whether a server takes another call. */
export interface Limiter {
  /**
   * Takes the call, and returns what to call when it is over; undefined when the call must be refused. Both are told when that is,
   * by `performance.now()`, where the caller knows.
   */
  allow(startMs?: number): ((endMs?: number) => void) | undefined;
}

/** What the caller of a refused call sees. */
export function rateLimitExceeded(metadata: Readonly<Record<string, string>> = {}): ServiceError {
  return new ServiceError(429, "RATELIMIT", "service unavailable due to rate limit exceeded", { metadata });
}
