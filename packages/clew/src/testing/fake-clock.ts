import { createRequire, syncBuiltinESMExports } from "node:module";
import { checkOptions, checkValue, kind, longestTimerMs, type OptionChecks } from "@clew/options";
import { clockDisposed, clockInstalled, durationInvalid, neverSettles, optionError } from "./errors.ts";
import { FakeTimer, type TimerHost } from "./fake-timer.ts";

export interface FakeClockOptions {
  /** What `Date` says at the beginning, as a date or milliseconds since 1970. Default: the real time. */
  now?: Date | number;
}

const RealDate = Date;

const aMoment = kind(
  "a date, or milliseconds since 1970",
  (given) => (typeof given === "number" || given instanceof RealDate) && !Number.isNaN(Number(given)),
);

const optionChecks: OptionChecks<FakeClockOptions> = { now: aMoment };

type Callback = (...args: unknown[]) => void;

interface WaitOptions {
  readonly signal?: AbortSignal;
}

const require = createRequire(import.meta.url);
// The module objects: what is put into them reaches named imports by syncBuiltinESMExports().
const timersModule = require("node:timers") as Record<string, unknown>;
const timersPromisesModule = require("node:timers/promises") as Record<string, unknown>;

const realSetImmediate = setImmediate;
const realClearImmediate = clearImmediate;
const realClearTimeout = clearTimeout;

/** How often to look again for work that takes no time; what goes on for longer goes on without end. */
const maxTurns = 10_000;

let installed: FakeClock | undefined;

/**
 * Time that stands still until a test lets it pass. While it is there it drives `performance.now()`, `Date`, `setTimeout` and
 * `setInterval` (global, of `node:timers` and `node:timers/promises`) and `AbortSignal.timeout` together: whatever waits, waits for
 * {@link advance}. `setImmediate` takes no time and runs as always. Sockets take real time, so it is for what runs in one process:
 * MemoryServer, MemoryRegistry. One at a time; disposing of it brings real time back and drops the timers that are left.
 */
export class FakeClock implements Disposable {
  readonly #timers: Map<FakeTimer, number> = new Map();
  /** Those that did not run yet. */
  readonly #immediates: Set<NodeJS.Immediate> = new Set();
  readonly #originals: (() => void)[] = [];
  #dateMs: number;
  // A whole number: sums of it are exact.
  #monotonicMs: number = Math.ceil(performance.now());
  #lastId = 0;
  #isDisposed = false;

  /** @throws CLEW_TESTING_OPTION, CLEW_TESTING_CLOCK when there is another */
  constructor(options: FakeClockOptions = {}) {
    checkOptions("FakeClock", options, optionChecks, optionError);
    if (installed !== undefined) throw clockInstalled();
    installed = this;
    this.#dateMs = Number(options.now ?? RealDate.now());
    this.#install();
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Lets time pass. Timers run in the order they are due, each at its moment; between them everything that does not wait for
   * time comes to its end. What a timer throws, this throws.
   *
   * @throws CLEW_TESTING_CLOCK, CLEW_TESTING_DURATION
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) throw durationInvalid(ms);
    const until = this.#monotonicMs + ms;
    await this.#settle();
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#fire(timer);
      await this.#settle();
    }
    this.#passTo(until);
  }

  /**
   * Lets time pass for as long as a promise needs, from one timer to the next, and returns what it comes to.
   *
   * @throws CLEW_TESTING_STUCK when no timer is left and it still waits
   */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    await this.#settle();
    while (!isOver) {
      const timer = this.#next(Infinity);
      if (timer === undefined) throw neverSettles();
      this.#fire(timer);
      await this.#settle();
    }
    return promise;
  }

  /**
   * Sets `Date` alone, as an administrator or NTP does; no timer moves.
   *
   * @throws CLEW_TESTING_OPTION
   */
  setDate(now: Date | number): void {
    checkValue("now", now, aMoment, optionError);
    this.#dateMs = Number(now);
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    installed = undefined;
    this.#timers.clear();
    for (const restore of this.#originals.reverse()) restore();
    syncBuiltinESMExports();
  }

  /** The timer that is due first, and of several at one moment the one that was set first. */
  #next(until: number): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    let firstDue = Infinity;
    for (const [timer, due] of this.#timers) {
      if (due >= firstDue || due > until) continue;
      first = timer;
      firstDue = due;
    }
    return first;
  }

  #fire(timer: FakeTimer): void {
    this.#passTo(this.#timers.get(timer)!);
    this.#timers.delete(timer);
    if (timer.isRepeating) this.#arm(timer);
    timer.fire();
  }

  #passTo(monotonicMs: number): void {
    if (monotonicMs <= this.#monotonicMs) return;
    this.#dateMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #arm(timer: FakeTimer): void {
    // Deleted first: it goes behind those that are due at the same moment.
    this.#timers.delete(timer);
    this.#timers.set(timer, this.#monotonicMs + timer.delayMs);
  }

  /** Lets everything run that does not wait for time: promises, ticks, immediates. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < maxTurns; turn++) {
      await new Promise((resolve) => realSetImmediate(resolve));
      if (this.#isDisposed) throw clockDisposed();
      if (this.#immediates.size === 0) return;
    }
  }

  #install(): void {
    const setTimeout = this.#createSetter(false);
    const setInterval = this.#createSetter(true);
    const clear = (given: unknown): void => this.#clear(given);
    const setImmediate = (callback: Callback, ...args: unknown[]): NodeJS.Immediate => this.#immediate(callback, args);
    const clearImmediate = (given: NodeJS.Immediate | undefined): void => this.#clearImmediate(given);
    for (const [name, fake] of Object.entries({
      setTimeout,
      setInterval,
      clearTimeout: clear,
      clearInterval: clear,
      setImmediate,
      clearImmediate,
    })) {
      this.#replace(globalThis, name, fake);
      this.#replace(timersModule, name, fake);
    }
    // What util.promisify(setTimeout) takes.
    const wait = (ms?: number, value?: unknown, options?: WaitOptions): Promise<unknown> =>
      this.#wait(ms ?? 1, value, options);
    Object.defineProperty(setTimeout, Symbol.for("nodejs.util.promisify.custom"), { value: wait });
    this.#replace(timersPromisesModule, "setTimeout", wait);
    const repeat = (ms?: number, value?: unknown, options?: WaitOptions): AsyncGenerator<unknown> =>
      this.#repeat(ms ?? 1, value, options);
    this.#replace(timersPromisesModule, "setInterval", repeat);
    this.#replace(performance, "now", () => this.#monotonicMs);
    this.#replace(globalThis, "Date", this.#createDate());
    this.#replace(AbortSignal, "timeout", (ms: number) => {
      const controller = new AbortController();
      const expire = (): void =>
        controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
      setTimeout(expire, ms).unref();
      return controller.signal;
    });
    syncBuiltinESMExports();
  }

  #replace(target: object, name: string, value: unknown): void {
    const original = Object.getOwnPropertyDescriptor(target, name);
    this.#originals.push(() => {
      if (original === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, original);
    });
    Object.defineProperty(target, name, {
      value,
      writable: true,
      configurable: true,
      enumerable: original?.enumerable ?? true,
    });
  }

  #createSetter(isRepeating: boolean): (callback: Callback, ms?: number, ...args: unknown[]) => FakeTimer {
    const host: TimerHost = {
      arm: (timer) => this.#arm(timer),
      disarm: (timer) => void this.#timers.delete(timer),
    };
    return (callback, ms = 1, ...args) => {
      // As Node has it: what is set for longer, or for less than 1, is set for 1.
      const delayMs = Number(ms) >= 1 && Number(ms) <= longestTimerMs ? Math.trunc(Number(ms)) : 1;
      const timer = new FakeTimer({ host, id: ++this.#lastId, delayMs, isRepeating, run: () => callback(...args) });
      this.#arm(timer);
      return timer;
    };
  }

  /** Timers of before the clock are real ones. */
  #clear(given: unknown): void {
    if (given instanceof FakeTimer) this.#timers.delete(given);
    else if (typeof given === "number" || typeof given === "string") {
      for (const timer of this.#timers.keys()) if (timer.id === Number(given)) this.#timers.delete(timer);
    } else realClearTimeout(given as NodeJS.Timeout | undefined);
  }

  #immediate(callback: Callback, args: unknown[]): NodeJS.Immediate {
    const immediate = realSetImmediate(() => {
      this.#immediates.delete(immediate);
      callback(...args);
    });
    this.#immediates.add(immediate);
    return immediate;
  }

  #clearImmediate(immediate: NodeJS.Immediate | undefined): void {
    if (immediate === undefined) return;
    this.#immediates.delete(immediate);
    realClearImmediate(immediate);
  }

  #wait(ms: number, value: unknown, { signal }: WaitOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        reject(aborted(signal));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", leave);
        resolve(value);
      }, ms);
      if (signal?.aborted) leave();
      else signal?.addEventListener("abort", leave, { once: true });
    });
  }

  async *#repeat(ms: number, value: unknown, options?: WaitOptions): AsyncGenerator<unknown> {
    for (;;) yield await this.#wait(ms, value, options);
  }

  #createDate(): DateConstructor {
    const read = (): number => Math.floor(this.#dateMs);
    return new Proxy(RealDate, {
      construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [read()] : args, newTarget),
      apply: () => new RealDate(read()).toString(),
      get: (target, name, receiver) => (name === "now" ? read : Reflect.get(target, name, receiver)),
    });
  }
}

/** What `node:timers/promises` rejects with. */
function aborted(signal: AbortSignal | undefined): Error {
  const error = new Error("The operation was aborted", { cause: signal?.reason });
  return Object.assign(error, { name: "AbortError", code: "ABORT_ERR" });
}
