/**
 * What is open now, for the few moments in which all of it is told something. Members are added and removed with every
 * request, by the slot they were given.
 *
 * It is not a Set because of the garbage collector: a Set that turns over leaves its old tables behind, each pointing to the
 * next, and one that got old keeps every later one alive with all members it ever held.
 */
export class OpenSet<T> implements Iterable<T> {
  readonly #members: (T | undefined)[] = [];
  readonly #free: number[] = [];

  /** Adds a member; returns its slot. */
  add(member: T): number {
    const slot = this.#free.pop() ?? this.#members.length;
    this.#members[slot] = member;
    return slot;
  }

  /** Empties a slot. Once for each add: the slot is given out again. */
  remove(slot: number): void {
    this.#members[slot] = undefined;
    this.#free.push(slot);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const member of this.#members) if (member !== undefined) yield member;
  }
}
