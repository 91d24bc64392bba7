import type { Waiting } from "./batch-queue.ts";
import { capacityInvalid } from "./errors.ts";

/**
 * A queue of fixed size. What does not fit is refused; nothing grows and nothing moves.
 *
 *      [ 6 | 7 | · | · | 3 | 4 | 5 ]      head: the oldest, read next
 *                ▲       ▲                tail: the first free place
 *              tail    head
 */
export class RingBuffer<T> implements Waiting<T, readonly T[]> {
  readonly capacity: number;
  #items: (T | undefined)[];
  #head = 0;
  #size = 0;

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw capacityInvalid(capacity);
    this.capacity = capacity;
    this.#items = new Array<T | undefined>(capacity).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an item at the end. False when there is no place. */
  push(item: T): boolean {
    if (this.#size >= this.capacity) return false;
    let tail = this.#head + this.#size;
    if (tail >= this.capacity) tail -= this.capacity;
    this.#items[tail] = item;
    this.#size++;
    return true;
  }

  /** Whether so many items are inside. */
  hasBatch(count: number): boolean {
    return this.#size >= count;
  }

  /** The oldest items, at most `count`, oldest first. They stay inside. */
  peek(count: number): T[] {
    const length = Math.min(count, this.#size);
    const items: T[] = [];
    for (let offset = 0; offset < length; offset++) {
      items.push(this.#items[(this.#head + offset) % this.capacity] as T);
    }
    return items;
  }

  /** Lets go of the oldest items, at most `count`. */
  remove(count: number): void {
    const length = Math.min(count, this.#size);
    for (let offset = 0; offset < length; offset++) this.#items[(this.#head + offset) % this.capacity] = undefined;
    this.#head = (this.#head + length) % this.capacity;
    this.#size -= length;
  }
}
