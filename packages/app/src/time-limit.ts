import { timedOut } from "./errors.ts";

/**
 * A moment by which several pieces of work must be done. Its timer keeps the process alive, because the guarded work may be
 * all that the process has.
 */
export class TimeLimit {
  readonly #waiting: Set<() => void> = new Set();
  readonly #timers: NodeJS.Timeout[] = [];
  #hasEnded = false;
  #passed: { readonly option: string; readonly timeoutMs: number } | undefined;

  /** `option` is the name of the limit in errors. */
  constructor(option: string, timeoutMs: number) {
    this.tighten(option, timeoutMs);
  }

  /** Sets another moment; the earlier of the two counts. Does nothing once the limit has ended. */
  tighten(option: string, timeoutMs: number): void {
    if (this.#hasEnded) return;
    const pass = (): void => {
      this.#passed ??= { option, timeoutMs };
      for (const expire of this.#waiting) expire();
    };
    this.#timers.push(setTimeout(pass, timeoutMs));
  }

  /**
   * Returns the result of `work`. Rejects with its error, or with an error that names `what` when the moment comes
   * first.
   */
  async race<T>(work: () => Promise<T> | T, what: string): Promise<T> {
    let expire = (): void => {};
    try {
      return await new Promise<T>((resolve, reject) => {
        expire = () => reject(timedOut(what, this.#passed!.option, this.#passed!.timeoutMs));
        if (this.#passed !== undefined) expire();
        this.#waiting.add(expire);
        (async () => work())().then(resolve, reject);
      });
    } finally {
      this.#waiting.delete(expire);
    }
  }

  /** Ends the limit and its timer. */
  end(): void {
    this.#hasEnded = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
