import { aFunction, checkOptions, numberAbove, numberFrom, type OptionChecks } from "@clew/options";
import { type Middleware, ServiceError, watcher } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { perMethod } from "./per-method.ts";
import { RollingWindow, windowChecks } from "./rolling-window.ts";

/** Decides whether calls may go out, from how those before them ended. */
export interface Breaker {
  /** Whether the next call may go out. Each answer is followed by one mark, also when it is false. */
  allow(): boolean;
  markSuccess(): void;
  markFailed(): void;
}

export interface SreBreakerOptions {
  /** The share of calls that may succeed without any being rejected; K is its inverse. Above 0, at most 1. Default: 0.6. */
  successRatio?: number;
  /** How many calls the window must hold before any is rejected. Default: 100. */
  minRequests?: number;
  /** What is looked back at, in milliseconds. Default: 3000. */
  windowMs?: number;
  /** Into how many buckets the window is cut. Default: 10. */
  buckets?: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
  /** A number from 0 up to 1, for the dice. Default: `Math.random`. */
  random?: () => number;
}

export interface CircuitBreakerOptions extends SreBreakerOptions {
  /** Which errors count as failures of the other end. Default: those with code 500, 503 or 504. */
  isFailure?: (error: ServiceError) => boolean;
  /** Makes the breaker of one operation. Default: an {@link SreBreaker} with these options. */
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
 * For clients: stops most calls to an operation that mostly fails, before they are sent, and lets enough through to see it
 * recover. Every operation has a breaker of its own. A call that is stopped fails with 503 CIRCUITBREAKER. A stream counts
 * by its end.
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
      // A rejected call is one that was wanted and not accepted: without it, fewer and fewer would be rejected.
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
 * Client-side throttling (Google, Site Reliability Engineering, chapter 21, "Handling Overload"). Of the window's calls,
 * `requests` in all and `accepts` of them successful, the next one is rejected with the probability
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
