import type { Middleware } from "@clew/rpc";
import { BbrLimiter } from "./bbr-limiter.ts";
import { type Limiter, rateLimitExceeded } from "./limiter.ts";
import { watchCall } from "./watch-call.ts";

export interface RateLimitOptions {
  /** What decides. Default: a {@link BbrLimiter}, which watches the CPU of this process. */
  limiter?: Limiter;
}

/** For servers: refuses calls with 429 RATELIMIT when there are more than the process can serve. A stream counts until its end. */
export function rateLimit(options: RateLimitOptions = {}): Middleware {
  const limiter = options.limiter ?? new BbrLimiter();
  return (next) => (call) => {
    const done = limiter.allow();
    return done === undefined ? Promise.reject(rateLimitExceeded()) : watchCall(call, next, done);
  };
}
