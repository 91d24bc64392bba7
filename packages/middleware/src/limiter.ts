import { ServiceError } from "@clew/rpc";

/** Decides whether a server accepts another call. */
export interface Limiter {
  /**
   * Accepts the call and returns a function to call when it is over, or returns undefined to refuse the call. Callers that know
   * the time pass it, on the clock of `performance.now()`.
   */
  allow(startMs?: number): ((endMs?: number) => void) | undefined;
}

/** The error that the caller of a refused call gets. */
export function rateLimitExceeded(metadata: Readonly<Record<string, string>> = {}): ServiceError {
  return new ServiceError(429, "RATELIMIT", "service unavailable due to rate limit exceeded", { metadata });
}
