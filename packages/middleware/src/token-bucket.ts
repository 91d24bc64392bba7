import { aFunction, checkOptions, checkValue, numberAbove, numberFrom, type OptionChecks } from "@clew/options";
import type { Call, Middleware } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { rateLimitExceeded } from "./limiter.ts";

export interface TokenBucketOptions {
  /**
   * Returns the key by which calls are counted: a tenant, a user, an address. Calls for which it returns undefined are not limited.
   * Default: the peer's host.
   */
  key?: (call: Call) => string | undefined;
  /** The number of calls per second that each key may make on average. */
  rate: number;
  /** The number of calls that each key may make at once. Default: `rate`, at least 1. */
  burst?: number;
  /**
   * The number of keys that are remembered; beyond it, the key that was not used for the longest time is forgotten.
   * Default: 100_000.
   */
  maxKeys?: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

/**
 * For servers: each key has a bucket of `burst` tokens, which is refilled with `rate` tokens per second; each call takes one
 * token. If none is left, the call is refused with 429 RATELIMIT, and the reply's `retry-after` header and the error's
 * metadata say in how many seconds there will be one. A bucket is forgotten when enough time has passed to fill it.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function tokenBucket(options: TokenBucketOptions): Middleware {
  const { key, ...rest } = resolveTokenBucketOptions(options);
  const buckets = new TokenBuckets(rest);
  return (next) => (call) => {
    const name = key(call);
    if (name === undefined) return next(call);
    const waitMs = buckets.take(name);
    if (waitMs === 0) return next(call);
    const seconds = String(Math.ceil(waitMs / 1000));
    call.replyMetadata.set("retry-after", seconds);
    return Promise.reject(rateLimitExceeded({ "retry-after": seconds }));
  };
}

class TokenBuckets {
  readonly #ratePerMs: number;
  readonly #burst: number;
  readonly #maxKeys: number;
  readonly #now: () => number;
  // In the order of last use: an entry that is used is removed and added again.
  readonly #buckets = new Map<string, Bucket>();

  constructor({ rate, burst, maxKeys, now }: Required<Omit<TokenBucketOptions, "key">>) {
    this.#ratePerMs = rate / 1000;
    this.#burst = burst;
    this.#maxKeys = maxKeys;
    this.#now = now;
  }

  /** Takes a token. Returns 0, or the milliseconds until there is one. */
  take(key: string): number {
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, filledAt: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.filledAt) * this.#ratePerMs);
    bucket.filledAt = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forget(now);
    if (bucket.tokens < 1) return (1 - bucket.tokens) / this.#ratePerMs;
    bucket.tokens -= 1;
    return 0;
  }

  /** At most two old buckets for each new call: the map shrinks faster than it grows, and no call pays for a sweep. */
  #forget(now: number): void {
    const fullAfterMs = this.#burst / this.#ratePerMs;
    let looked = 0;
    for (const [key, { filledAt }] of this.#buckets) {
      if (++looked > 2) return;
      if (now - filledAt < fullAfterMs && this.#buckets.size <= this.#maxKeys) return;
      this.#buckets.delete(key);
    }
  }
}

const aRate = numberAbove(0);

const optionChecks: OptionChecks<TokenBucketOptions> = {
  key: aFunction,
  rate: aRate,
  burst: numberFrom(1),
  maxKeys: numberFrom(1),
  now: aFunction,
};

function resolveTokenBucketOptions(options: TokenBucketOptions): Required<TokenBucketOptions> {
  checkOptions("tokenBucket", options, optionChecks, optionError);
  const { rate, key = peerHost, maxKeys = 100_000, now = performance.now.bind(performance) } = options;
  checkValue("rate", rate, aRate, optionError);
  return { rate, key, burst: options.burst ?? Math.max(1, rate), maxKeys, now };
}

/** `10.0.0.5` of `10.0.0.5:9000`: without the port, which differs for each connection. */
function peerHost({ peer: { address } }: Call): string {
  const colon = address.lastIndexOf(":");
  return colon < 1 ? address : address.slice(0, colon);
}
