export { BbrLimiter, type BbrLimiterOptions } from "./bbr-limiter.ts";
export {
  type Breaker,
  type CircuitBreakerOptions,
  circuitBreaker,
  SreBreaker,
  type SreBreakerOptions,
} from "./circuit-breaker.ts";
export { type HedgeOptions, hedge } from "./hedge.ts";
export {
  type Claims,
  currentClaims,
  type JwtClientOptions,
  type JwtKey,
  type JwtOptions,
  jwt,
  jwtClient,
} from "./jwt.ts";
export type { Limiter } from "./limiter.ts";
export { type LocalizeOptions, localize } from "./localize.ts";
export { type LoggingOptions, logging } from "./logging.ts";
export { currentMetadata, type MetadataOptions, metadata } from "./metadata.ts";
export { type MetricsOptions, metrics } from "./metrics.ts";
export { type RateLimitOptions, rateLimit } from "./rate-limit.ts";
export { type RecoveryOptions, recovery } from "./recovery.ts";
export { type RetryOptions, retry } from "./retry.ts";
export { RetryBudget, type RetryBudgetOptions } from "./retry-budget.ts";
export { type Selector, selector } from "./selector.ts";
export { type TimeoutOptions, timeout } from "./timeout.ts";
export { type TokenBucketOptions, tokenBucket } from "./token-bucket.ts";
export { type TracingOptions, tracing } from "./tracing.ts";
export { type ValidateOptions, type Validation, validate } from "./validate.ts";
