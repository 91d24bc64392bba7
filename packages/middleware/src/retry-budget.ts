import { aFunction, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import type { Call } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { RollingWindow } from "./rolling-window.ts";

export interface RetryBudgetOptions {
  /** The share of the calls of the last ten seconds that may be sent again. Default: 0.2. */
  ratio?: number;
  /**
   * The number of additional attempts per second that are always allowed, for clients that make few calls. Default: 10.
   */
  perSecond?: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

const optionChecks: OptionChecks<RetryBudgetOptions> = {
  ratio: numberFrom(0),
  perSecond: numberFrom(0),
  now: aFunction,
};

const budgetSeconds = 10;

/**
 * Limits the number of attempts beyond the first of each call. In the last ten seconds: attempts <= calls * ratio + seconds *
 * perSecond (Finagle's RetryBudget). Several middlewares and clients may share one budget. It counts calls instead of failures,
 * unlike gRPC's retryThrottling: when a node dies under a thousand calls at once, a bucket that each failure empties would be
 * empty at the moment it is needed.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  /** A number for each attempt: 0 for the first of a call, 1 for any further one. */
  readonly #window: RollingWindow;

  /** @throws CLEW_MIDDLEWARE_OPTION */
  constructor(options: RetryBudgetOptions = {}) {
    checkOptions("RetryBudget", options, optionChecks, optionError);
    const { ratio = 0.2, perSecond = 10, now = performance.now.bind(performance) } = options;
    this.#ratio = ratio;
    this.#reserve = perSecond * budgetSeconds;
    this.#window = new RollingWindow({ windowMs: budgetSeconds * 1000, buckets: 10, now });
  }

  /** Counts a call that is sent. An attempt of a call that was counted already is not counted again. */
  countCall(call: Call): void {
    if (call.tryOf === undefined) this.#window.add(0);
  }

  /** Takes one attempt out of the budget; returns false when none is left. */
  take(): boolean {
    const { count, sum: tries } = this.#window.total();
    if (tries + 1 > (count - tries) * this.#ratio + this.#reserve) return false;
    this.#window.add(1);
    return true;
  }
}
