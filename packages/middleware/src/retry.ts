import {
  aFunction,
  checkOptions,
  having,
  numberAbove,
  numberFrom,
  type OptionChecks,
  wholeNumberFrom,
} from "@clew/options";
import { type Call, deadlineIn, type Method, type Middleware, type Reply, remainingMs, ServiceError } from "@clew/rpc";
import { Attempt } from "./attempt.ts";
import { codesOfErrors, passingCodes } from "./codes-of-errors.ts";
import { optionError } from "./errors.ts";
import { isDeclaredIdempotent } from "./idempotency.ts";
import { perMethod } from "./per-method.ts";
import { pushbackMs } from "./pushback.ts";
import { RetryBudget } from "./retry-budget.ts";

export interface RetryOptions {
  /** How often a call is sent at most, including the first time. Default: 3. */
  attempts?: number;
  /** The error codes after which a call is sent again. Default: 429, 502, 503 and 504. */
  codes?: readonly number[];
  /**
   * Returns whether a method may be executed twice with the same effect as once. Default: `idempotency_level` in the .proto is
   * IDEMPOTENT or NO_SIDE_EFFECTS.
   */
  isIdempotent?: (method: Method) => boolean;
  /** How long one attempt may take, in milliseconds; then the next attempt begins. Default: as long as the call. */
  perTryTimeoutMs?: number;
  /** The longest wait before the second attempt, in milliseconds. It doubles with each further attempt. Default: 50. */
  backoffMs?: number;
  /** The upper limit of these waits, in milliseconds; a server may ask for a longer one. Default: 2000. */
  maxBackoffMs?: number;
  /**
   * Limits the number of attempts beyond the first of each call. It may be shared with `hedge`. Default: a new RetryBudget.
   */
  budget?: RetryBudget;
  /** Returns a random number from 0 up to 1, which determines the length of a wait. Default: `Math.random`. */
  random?: () => number;
}

/**
 * For clients: sends a unary call again after a failure that is likely to pass. A method that is not idempotent is sent again
 * only if the server has certainly not begun it: the server was not reached, or its rate limit refused the call. Waits grow and
 * are random; if the server asks for a longer wait (`retry-after`, RetryInfo, `grpc-retry-pushback-ms`), its wish counts. The
 * deadline of the call applies to all attempts together. A budget keeps retries from doubling the load of a server that is down.
 * Streams are sent once.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function retry(options: RetryOptions = {}): Middleware {
  const resolved = resolveRetryOptions(options);
  const { attempts, perTryTimeoutMs, budget } = resolved;
  const isIdempotent = perMethod(resolved.isIdempotent);
  return (next) => async (call) => {
    if (call.side !== "client" || call.method.kind !== "unary") return next(call);
    budget.countCall(call);
    for (let tries = 1; ; tries++) {
      const deadline = perTryTimeoutMs === undefined ? undefined : deadlineIn(perTryTimeoutMs);
      const attempt = new Attempt(call, { resends: tries - 1, deadline });
      let failure: ServiceError;
      try {
        return await settled(attempt, next(attempt));
      } catch (thrown) {
        if (!(thrown instanceof ServiceError) || call.cancelled !== undefined || tries >= attempts) throw thrown;
        failure = thrown;
      }
      if (!resolved.codes.has(failure.code) || failure.reason === "CIRCUITBREAKER") throw failure;
      if (!wasNotBegun(failure) && !isIdempotent(call)) throw failure;
      const waitMs = Math.max(backoffMs(tries, resolved), pushbackMs(attempt, failure) ?? 0);
      if (waitMs === Number.POSITIVE_INFINITY) throw failure;
      if (call.deadline !== undefined && waitMs >= remainingMs(call.deadline)) throw failure;
      if (!budget.take()) throw failure;
      await wait(waitMs, call);
    }
  };
}

async function settled(attempt: Attempt, reply: Promise<Reply>): Promise<Reply> {
  try {
    return await attempt.orCancelled(reply);
  } finally {
    attempt.settle();
  }
}

/**
 * The codes in the cause of a failure when no connection was made, from Node and from undici, or when an HTTP/2 stream was refused.
 */
const untouchedCodes: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "CLEW_HTTP2_REFUSED",
]);

/**
 * Reasons of errors that come before a handler sees the call: from the server's limiter, or from a selector that found no
 * node.
 */
const refusals: ReadonlySet<string> = new Set(["RATELIMIT", "NODE_NOT_FOUND", "no_available_node"]);

/** Whether the server has certainly not begun the call. */
function wasNotBegun(error: ServiceError): boolean {
  if (refusals.has(error.reason)) return true;
  // The loop is limited, because a chain of causes may form a circle.
  let cause: unknown = error.cause;
  for (let depth = 0; cause instanceof Error && depth < 8; depth++) {
    if (untouchedCodes.has((cause as NodeJS.ErrnoException).code)) return true;
    cause = cause.cause;
  }
  return false;
}

/** Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a random time up to `backoffMs * 2^(tries - 1)`. */
function backoffMs(tries: number, { backoffMs, maxBackoffMs, random }: ResolvedRetryOptions): number {
  return random() * Math.min(maxBackoffMs, backoffMs * 2 ** (tries - 1));
}

/**
 * Rejects when the call is cancelled. The timer keeps the process alive, as a socket that waits for the reply would.
 */
function wait(ms: number, call: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      release();
      resolve();
    }, ms);
    const release = call.onCancel((reason) => {
      clearTimeout(timer);
      reject(reason);
    });
  });
}

type ResolvedRetryOptions = Required<Omit<RetryOptions, "perTryTimeoutMs" | "codes">> & {
  perTryTimeoutMs: number | undefined;
  codes: ReadonlySet<number>;
};

const optionChecks: OptionChecks<RetryOptions> = {
  attempts: wholeNumberFrom(1),
  codes: codesOfErrors,
  isIdempotent: aFunction,
  perTryTimeoutMs: numberAbove(0),
  backoffMs: numberFrom(0),
  maxBackoffMs: numberFrom(0),
  budget: having("a RetryBudget", "countCall", "take"),
  random: aFunction,
};

function resolveRetryOptions(options: RetryOptions): ResolvedRetryOptions {
  checkOptions("retry", options, optionChecks, optionError);
  return {
    attempts: options.attempts ?? 3,
    codes: new Set(options.codes ?? passingCodes),
    isIdempotent: options.isIdempotent ?? isDeclaredIdempotent,
    perTryTimeoutMs: options.perTryTimeoutMs,
    backoffMs: options.backoffMs ?? 50,
    maxBackoffMs: options.maxBackoffMs ?? 2000,
    budget: options.budget ?? new RetryBudget(),
    random: options.random ?? Math.random,
  };
}
