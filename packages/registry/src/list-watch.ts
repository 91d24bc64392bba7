import { watchReadTwice } from "./errors.ts";
import { areSameInstances, type Instance } from "./instance.ts";

/** What feeds a watch: called when it is read first; returns what ends the feed. */
export type Feed = (watch: ListWatch) => () => void;

/**
 * A watch for one reader, as {@link Discovery.watch} promises it, for a registry that pushes lists as they come. Between two
 * looks of the reader only the newest is kept, and a list that is the same as the one before is none.
 */
export class ListWatch implements AsyncIterable<readonly Instance[]> {
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #feed: Feed;
  #isRead = false;
  #isOver = false;
  #next: readonly Instance[] | undefined;
  #last: readonly Instance[] | undefined;
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor(name: string, signal: AbortSignal, feed: Feed) {
    this.#name = name;
    this.#signal = signal;
    this.#feed = feed;
  }

  /** The instances there are now. */
  push(instances: readonly Instance[]): void {
    if (this.#isOver) return;
    this.#next = instances;
    this.#wake?.();
  }

  /** Watching has failed: the reader gets what is left, and then the error. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Instance[], void> {
    if (this.#isRead) throw watchReadTwice(this.#name);
    this.#isRead = true;
    if (this.#signal.aborted) return;
    const abort = (): void => this.#wake?.();
    this.#signal.addEventListener("abort", abort);
    let stop: (() => void) | undefined;
    try {
      stop = this.#feed(this);
      while (!this.#signal.aborted) {
        const list = this.#next;
        this.#next = undefined;
        if (list !== undefined) {
          if (this.#last !== undefined && areSameInstances(this.#last, list)) continue;
          this.#last = list;
          yield list;
        } else if (this.#isOver) {
          throw this.#error;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#isOver = true;
      this.#signal.removeEventListener("abort", abort);
      stop?.();
    }
  }
}
