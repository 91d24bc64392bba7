import { aFunction, checkOptions, numberAbove, numberFrom, type OptionChecks } from "@clew/options";
import { type Middleware, ServiceError, watcher } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { perMethod } from "./per-method.ts";
import { RollingWindow, windowChecks } from "./rolling-window.ts";

/** Decides whether calls may be sent, based on the results of earlier calls. */
export interface Breaker {
  /** Whether the next call may be sent. Each answer must be followed by one mark, also when it is false. */
  allow(): boolean;
  markSuccess(): void;
  markFailed(): void;
}

export interface SreBreakerOptions {
  /**
   * The share of calls that may succeed without any call being rejected; the factor K is 1 divided by it. Above 0, at most
   * 1. Default: 0.6.
   */
  successRatio?: number;
  /** The number of calls that the window must contain before any call is rejected. Default: 100. */
  minRequests?: number;
  /** The length of the window over which calls are counted, in milliseconds. Default: 3000. */
  windowMs?: number;
  /** The number of buckets in the window. Default: 10. */
  buckets?: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
  /** Returns a random number from 0 up to 1. Default: `Math.random`. */
  random?: () => number;
}

export interface CircuitBreakerOptions extends SreBreakerOptions {
  /** Returns whether an error counts as a failure of the other end. Default: errors with code 500, 503 or 504. */
  isFailure?: (error: ServiceError) => boolean;
  /** Creates the breaker of one operation. Default: an {@link SreBreaker} with these options. */
  createBreaker?: (operation: string) => Breaker;
}

const breakerOptionChecks: OptionChecks<SreBreakerOptions> = {
  successRatio: numberAbove(0, 1),
  minRequests: numberFrom(0),
  ...windowChecks,
  now: aFunction,
  random: aFunction,
};
const optionChecks: OptionChecks<CircuitBreakerOptions> = {
  isFailure: aFunction,
  createBreaker: aFunction,
  ...breakerOptionChecks,
};

/**
 * For clients: if an operation mostly fails, rejects most of its calls before they are sent, and sends enough of them to
 * see when it recovers. Each operation has its own breaker. A rejected call fails with 503 CIRCUITBREAKER. The result of a
 * stream is known at its end.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): Middleware {
  checkOptions("circuitBreaker", options, optionChecks, optionError);
  const { isFailure = isServerFailure, createBreaker = () => new SreBreaker(rest), ...rest } = options;
  const breakerOf = perMethod(({ operation }) => createBreaker(operation));
  return watcher(() => (call) => {
    const breaker = breakerOf(call);
    if (!breaker.allow()) {
      // A rejected call counts as requested and not accepted: otherwise fewer and fewer calls would be rejected.
      breaker.markFailed();
      throw new ServiceError(503, "CIRCUITBREAKER", "request failed due to circuit breaker triggered");
    }
    return (thrown) => {
      if (thrown !== undefined && isFailure(ServiceError.from(thrown))) breaker.markFailed();
      else breaker.markSuccess();
    };
  });
}

function isServerFailure({ code }: ServiceError): boolean {
  return code === 500 || code === 503 || code === 504;
}

/**
 * Client-side throttling (Google, Site Reliability Engineering, chapter 21, "Handling Overload"). If the window contains
 * `requests` calls, `accepts` of them successful, the next call is rejected with the probability
 *
 *     max(0, (requests - K * accepts) / (requests + 1))        K = 1 / successRatio
 */
export class SreBreaker implements Breaker {
  readonly #k: number;
  readonly #minRequests: number;
  readonly #random: () => number;
  /** One number for each call: 1 for a success, 0 for a failure. */
  readonly #calls: RollingWindow;

  /** @throws CLEW_MIDDLEWARE_OPTION */
  constructor(options: SreBreakerOptions = {}) {
    const { successRatio, minRequests, random, ...window } = resolveSreBreakerOptions(options);
    this.#k = 1 / successRatio;
    this.#minRequests = minRequests;
    this.#random = random;
    this.#calls = new RollingWindow(window);
  }

  /** The probability with which the next call is rejected. */
  get dropRatio(): number {
    const { count: requests, sum: accepts } = this.#calls.total();
    const covered = this.#k * accepts;
    if (requests < this.#minRequests || requests < covered) return 0;
    return Math.max(0, (requests - covered) / (requests + 1));
  }

  allow(): boolean {
    const { dropRatio } = this;
    return dropRatio === 0 || this.#random() >= dropRatio;
  }

  markSuccess(): void {
    this.#calls.add(1);
  }

  markFailed(): void {
    this.#calls.add(0);
  }
}

function resolveSreBreakerOptions(options: SreBreakerOptions): Required<SreBreakerOptions> {
  checkOptions("SreBreaker", options, breakerOptionChecks, optionError);
  return {
    successRatio: options.successRatio ?? 0.6,
    minRequests: options.minRequests ?? 100,
    windowMs: options.windowMs ?? 3000,
    buckets: options.buckets ?? 10,
    now: options.now ?? performance.now.bind(performance),
    random: options.random ?? Math.random,
  };
}
