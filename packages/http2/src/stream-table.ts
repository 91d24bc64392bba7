import type { Stream } from "./stream.ts";

const leastSlots = 8;

/**
 * The open streams by number: a hash table with linear probing, whose hash is the number's place among those of its end. The
 * numbers of open streams are mostly neighbours, so they lie side by side and rarely meet.
 *
 *     #slots   │ 33 │ 35 │    │    │ 9 │ 41 │    │    │      9 wanted slot 4; 41 = 9 + 2 * 16 would as well, and moved on
 *
 * It is not a Map because of the garbage collector: a Map that grows or purges leaves its old table behind, which points to
 * the new one. Once such a dead table is in the old generation it keeps every later one alive, and every stream these ever
 * held, until the next full collection: of an echo server's time 50 % was garbage collection with a Map, and 9 % is with this
 * (`node --trace-gc test/echo-server.ts clew` under `h2load -n 1500000 -c8 -m16`).
 */
export class StreamTable {
  #slots: (Stream | undefined)[] = [];
  #mask = -1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    if (this.#size === 0) return undefined;
    for (let slot = id >>> 1; ; slot++) {
      const stream = this.#slots[slot & this.#mask];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Adds a stream whose number is not there yet. */
  add(stream: Stream): void {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    this.#put(stream);
    this.#size++;
  }

  delete(id: number): void {
    if (this.#size === 0) return;
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = (id >>> 1) & mask;
    for (; slots[hole]?.id !== id; hole = (hole + 1) & mask) {
      if (slots[hole] === undefined) return;
    }
    this.#size--;
    // Whoever moved on past the hole moves back, so that no search ends too early.
    for (let slot = (hole + 1) & mask; slots[slot] !== undefined; slot = (slot + 1) & mask) {
      const wanted = (slots[slot]!.id >>> 1) & mask;
      if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = slots[slot];
      hole = slot;
    }
    slots[hole] = undefined;
  }

  clear(): void {
    this.#slots = [];
    this.#mask = -1;
    this.#size = 0;
  }

  /** All streams, in no order; the table may be changed meanwhile. */
  list(): Stream[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  #put(stream: Stream): void {
    let slot = (stream.id >>> 1) & this.#mask;
    while (this.#slots[slot] !== undefined) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = stream;
  }

  #grow(): void {
    const streams = this.list();
    const length = Math.max(leastSlots, 2 * this.#slots.length);
    this.#slots = new Array<Stream | undefined>(length).fill(undefined);
    this.#mask = length - 1;
    for (const stream of streams) this.#put(stream);
  }
}
