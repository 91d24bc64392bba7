import { aFunction, checkOptions, having, millisecondsFrom, type OptionChecks, wholeNumberFrom } from "@clew/options";
import {
  type Call,
  callCancelled,
  type Handler,
  type Method,
  type Middleware,
  type Reply,
  remainingMs,
  ServiceError,
} from "@clew/rpc";
import { Attempt } from "./attempt.ts";
import { codesOfErrors, passingCodes } from "./codes-of-errors.ts";
import { optionError } from "./errors.ts";
import { isDeclaredIdempotent } from "./idempotency.ts";
import { perMethod } from "./per-method.ts";
import { pushbackMs } from "./pushback.ts";
import { RetryBudget } from "./retry-budget.ts";

export interface HedgeOptions {
  /** How often a call is sent at most, including the first time. Default: 2. */
  attempts?: number;
  /**
   * How long to wait for the attempts sent so far before the next one is sent, in milliseconds. A good value is the time in which
   * 95 of 100 calls are answered. 0 sends all attempts at once. Default: 100.
   */
  delayMs?: number;
  /**
   * The error codes after which the next attempt is sent at once while the others continue. Any other error ends the call. Default:
   * 429, 502, 503 and 504.
   */
  nonFatalCodes?: readonly number[];
  /**
   * Returns whether a method may be executed twice with the same effect as once. Other methods are sent once. Default:
   * `idempotency_level` in the .proto is IDEMPOTENT or NO_SIDE_EFFECTS.
   */
  isIdempotent?: (method: Method) => boolean;
  /**
   * Limits the number of attempts beyond the first of each call. It may be shared with `retry`. Default: a new RetryBudget.
   */
  budget?: RetryBudget;
}

type ResolvedHedgeOptions = Required<Omit<HedgeOptions, "nonFatalCodes">> & {
  readonly nonFatalCodes: ReadonlySet<number>;
};

/**
 * For clients: if a unary call of an idempotent method takes long, sends it to another node as well, uses the first answer and cancels
 * the other attempts (gRFC A6, "hedging"). Use it where the slowest few calls matter and the servers have capacity: the number of
 * additional calls is the number of calls that take longer than the delay. In the chain of a client, it stands in the place of
 * `retry`.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function hedge(options: HedgeOptions = {}): Middleware {
  const resolved = resolveHedgeOptions(options);
  const isIdempotent = perMethod(resolved.isIdempotent);
  return (next) => (call) => {
    if (call.side !== "client" || call.method.kind !== "unary" || !isIdempotent(call)) return next(call);
    resolved.budget.countCall(call);
    return new Hedge(call, next, resolved).run();
  };
}

/** A call that is sent several times. */
class Hedge {
  readonly #call: Call;
  readonly #next: Handler;
  readonly #options: ResolvedHedgeOptions;
  readonly #reply: PromiseWithResolvers<Reply> = Promise.withResolvers<Reply>();
  readonly #running: Set<Attempt> = new Set();
  #sent = 0;
  /** Whether no further attempt will be sent. */
  #isEnough = false;
  #isOver = false;
  /** Ends the call with the last failure that did not end it. */
  #giveUp: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(call: Call, next: Handler, options: ResolvedHedgeOptions) {
    this.#call = call;
    this.#next = next;
    this.#options = options;
  }

  run(): Promise<Reply> {
    const release = this.#call.onCancel((reason) => {
      this.#end();
      this.#reply.reject(reason);
    });
    if (!this.#isOver) this.#send();
    return this.#reply.promise.finally(release);
  }

  #send(): void {
    const attempt = new Attempt(this.#call, { resends: this.#sent++ });
    this.#isEnough ||= this.#sent >= this.#options.attempts;
    this.#running.add(attempt);
    this.#wait(this.#options.delayMs);
    this.#ask(attempt).then(
      (reply) => this.#answer(attempt, () => this.#reply.resolve(reply)),
      (thrown: unknown) => this.#fail(attempt, thrown),
    );
  }

  // A handler that throws before it returns a promise fails its attempt as well.
  async #ask(attempt: Attempt): Promise<Reply> {
    return this.#next(attempt);
  }

  /** Sends the next attempt after a while, if one is left. */
  #wait(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isEnough) return;
    this.#timer = setTimeout(() => this.#sendNext(), ms);
  }

  #sendNext(): void {
    if (this.#options.budget.take()) {
      this.#send();
      return;
    }
    this.#isEnough = true;
    if (this.#running.size === 0) this.#giveUp();
  }

  #answer(attempt: Attempt, settle: () => void): void {
    if (this.#isOver) return;
    this.#running.delete(attempt);
    attempt.settle();
    this.#end();
    settle();
  }

  #fail(attempt: Attempt, thrown: unknown): void {
    if (this.#isOver) return;
    const isFatal =
      !(thrown instanceof ServiceError) ||
      !this.#options.nonFatalCodes.has(thrown.code) ||
      thrown.reason === "CIRCUITBREAKER";
    if (!isFatal) {
      const askedMs = pushbackMs(attempt, thrown);
      const { deadline } = this.#call;
      const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : remainingMs(deadline);
      if (askedMs !== undefined && askedMs >= leftMs) this.#isEnough = true;
      // If the server asks for a delay, the delay is kept; otherwise there is no reason to wait.
      if (askedMs === undefined && !this.#isEnough) this.#sendNext();
      else this.#wait(askedMs ?? 0);
    }
    const giveUp = (): void => this.#answer(attempt, () => this.#reply.reject(thrown));
    this.#giveUp = giveUp;
    if (isFatal || (this.#isEnough && this.#running.size === 1)) {
      this.#giveUp();
      return;
    }
    this.#running.delete(attempt);
    attempt.abandon();
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const attempt of this.#running) {
      attempt.cancel(callCancelled(attempt.operation, new Error("another attempt was answered first")));
      attempt.abandon();
    }
    this.#running.clear();
  }
}

const optionChecks: OptionChecks<HedgeOptions> = {
  attempts: wholeNumberFrom(1),
  delayMs: millisecondsFrom(0),
  nonFatalCodes: codesOfErrors,
  isIdempotent: aFunction,
  budget: having("a RetryBudget", "countCall", "take"),
};

function resolveHedgeOptions(options: HedgeOptions): ResolvedHedgeOptions {
  checkOptions("hedge", options, optionChecks, optionError);
  const { attempts = 2, delayMs = 100, isIdempotent = isDeclaredIdempotent, budget = new RetryBudget() } = options;
  return { attempts, delayMs, nonFatalCodes: new Set(options.nonFatalCodes ?? passingCodes), isIdempotent, budget };
}
