import { type Middleware, ServiceError, watchReply } from "@clew/rpc";
import { BbrLimiter } from "./bbr-limiter.ts";

/** Decides whether a server takes another call. */
export interface Limiter {
  /** Takes the call, and returns what to call when it is over; undefined when the call must be refused. */
  allow(): (() => void) | undefined;
}

export interface RateLimitOptions {
  /** What decides. Default: a {@link BbrLimiter}, which watches the CPU of this process. */
  limiter?: Limiter;
}

/** For servers: refuses calls with 429 RATELIMIT when there are more than the process can serve. A stream counts until its end. */
export function rateLimit(options: RateLimitOptions = {}): Middleware {
  const limiter = options.limiter ?? new BbrLimiter();
  return (next) => async (call) => {
    const done = limiter.allow();
    if (done === undefined) throw rateLimitExceeded();
    try {
      return watchReply(await next(call), done);
    } catch (thrown) {
      done();
      throw thrown;
    }
  };
}

export function rateLimitExceeded(): ServiceError {
  return new ServiceError(429, "RATELIMIT", "service unavailable due to rate limit exceeded");
}
