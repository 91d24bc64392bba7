import { watchReadTwice } from "./errors.ts";
import { areSameInstances, type Instance } from "./instance.ts";

/** Feeds a watch. Called when the watch is first read; returns a function that ends the feed. */
export type Feed = (watch: ListWatch) => () => void;

/**
 * A watch for one reader, as {@link Discovery.watch} promises it, for a registry that pushes lists. Between two reads only the
 * newest list is kept, and a list equal to the previous one is dropped.
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

  /** Gives the watch the current instances. */
  push(instances: readonly Instance[]): void {
    if (this.#isOver) return;
    this.#next = instances;
    this.#wake?.();
  }

  /** Ends the watch with an error: the reader gets the pending list, and then the error. */
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
