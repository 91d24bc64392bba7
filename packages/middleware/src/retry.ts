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
  /** How often a call is tried, the first time included. Default: 3. */
  attempts?: number;
  /** The codes of errors after which a call is tried again. Default: 429, 502, 503 and 504. */
  codes?: readonly number[];
  /** Whether doing a method twice is as good as once. Default: `idempotency_level` in the .proto is IDEMPOTENT or NO_SIDE_EFFECTS. */
  isIdempotent?: (method: Method) => boolean;
  /** How long one try may take, in milliseconds; after that the next begins. Default: as long as the call. */
  perTryTimeoutMs?: number;
  /** The longest wait before the second try, in milliseconds; it doubles with each further one. Default: 50. */
  backoffMs?: number;
  /** What the wait never exceeds, in milliseconds. Default: 2000. */
  maxBackoffMs?: number;
  /** How many tries there may be beyond the first of each call; it may be shared with `hedge`. Default: a new RetryBudget. */
  budget?: RetryBudget;
  /** A number from 0 up to 1, for the length of waits. Default: `Math.random`. */
  random?: () => number;
}

/**
 * For clients: tries a unary call again when it failed in a way that passes. A method that is not idempotent is tried again only
 * when the server has certainly not begun it: it was not reached, or refused the call at its rate limit. The waits grow and are
 * random, and as long as the server asks for (`retry-after`, RetryInfo, `grpc-retry-pushback-ms`). The deadline of the call holds
 * for all tries together, and a budget keeps retries from doubling the load of a server that is down. Streams are sent once.
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

/** What a connection that was never made leaves as the cause, from Node and from undici; and a stream of HTTP/2 that was refused. */
const untouchedCodes: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "CLEW_HTTP2_REFUSED",
]);

/** Reasons that are given before a handler sees the call: the server's limiter, or a selector that found nobody to send to. */
const refusals: ReadonlySet<string> = new Set(["RATELIMIT", "NODE_NOT_FOUND", "no_available_node"]);

/** Whether the server has certainly not begun with the call. */
function wasNotBegun(error: ServiceError): boolean {
  if (refusals.has(error.reason)) return true;
  // A chain of causes that leads in a circle is cut.
  let cause: unknown = error.cause;
  for (let depth = 0; cause instanceof Error && depth < 8; depth++) {
    if (untouchedCodes.has((cause as NodeJS.ErrnoException).code)) return true;
    cause = cause.cause;
  }
  return false;
}

/** Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): anything up to `backoffMs * 2^(tries - 1)`. */
function backoffMs(tries: number, { backoffMs, maxBackoffMs, random }: ResolvedRetryOptions): number {
  return random() * Math.min(maxBackoffMs, backoffMs * 2 ** (tries - 1));
}

/** Rejects when the call is cancelled. The timer holds the process, as a socket that waits for the reply would. */
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
