import { checkOptions, having, type OptionChecks } from "@clew/options";
import { type Middleware, watcher } from "@clew/rpc";
import { BbrLimiter } from "./bbr-limiter.ts";
import { optionError } from "./errors.ts";
import { type Limiter, rateLimitExceeded } from "./limiter.ts";

export interface RateLimitOptions {
  /** Decides which calls are refused. Default: a {@link BbrLimiter}, which watches the CPU of this process. */
  limiter?: Limiter;
}

const optionChecks: OptionChecks<RateLimitOptions> = {
  limiter: having("a limiter such as a BbrLimiter", "allow"),
};

/**
 * For servers: refuses calls with 429 RATELIMIT when there are more than the process can serve. A stream counts until it ends.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function rateLimit(options: RateLimitOptions = {}): Middleware {
  checkOptions("rateLimit", options, optionChecks, optionError);
  const limiter = options.limiter ?? new BbrLimiter();
  return watcher(() => (call) => {
    const done = limiter.allow(call.startMs);
    if (done === undefined) throw rateLimitExceeded();
    return (_thrown, endMs) => done(endMs);
  });
}
