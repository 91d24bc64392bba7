import { aFunction, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import type { Call } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { RollingWindow } from "./rolling-window.ts";

export interface RetryBudgetOptions {
  /** Of the calls of the last ten seconds, the share that may be sent again. Default: 0.2. */
  ratio?: number;
  /** How many more a second are allowed beyond that, for clients that call seldom. Default: 10. */
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
 * How many tries there may be beyond the first of each call: of the last ten seconds, tries <= calls * ratio + seconds * perSecond
 * (Finagle's RetryBudget). Several middlewares and clients may share one. It counts calls and not failures, as gRPC's
 * retryThrottling does: when a node dies under a thousand calls at once, a bucket that each failure empties is empty just then.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  /** A number for each: 0 for a call, 1 for a try beyond its first. */
  readonly #window: RollingWindow;

  /** @throws CLEW_MIDDLEWARE_OPTION */
  constructor(options: RetryBudgetOptions = {}) {
    checkOptions("RetryBudget", options, optionChecks, optionError);
    const { ratio = 0.2, perSecond = 10, now = performance.now.bind(performance) } = options;
    this.#ratio = ratio;
    this.#reserve = perSecond * budgetSeconds;
    this.#window = new RollingWindow({ windowMs: budgetSeconds * 1000, buckets: 10, now });
  }

  /** Counts a call that is sent; what is a try of another call does not count once more. */
  countCall(call: Call): void {
    if (call.tryOf === undefined) this.#window.add(0);
  }

  /** Takes a try; false when there is none left. */
  take(): boolean {
    const { count, sum: tries } = this.#window.total();
    if (tries + 1 > (count - tries) * this.#ratio + this.#reserve) return false;
    this.#window.add(1);
    return true;
  }
}
