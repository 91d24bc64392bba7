const remembered = 1024;

/**
 * The streams this end has reset: the peer may not have heard of it yet, so what still comes for them is no fault (RFC 9113
 * section 5.1, closed). The last 1024 are known by number; of earlier ones only the highest, and all below it are believed.
 */
export class ResetStreams {
  #ids: Int32Array | undefined;
  #at = 0;
  #forgottenUpTo = 0;

  add(id: number): void {
    this.#ids ??= new Int32Array(remembered);
    this.#forgottenUpTo = Math.max(this.#forgottenUpTo, this.#ids[this.#at]!);
    this.#ids[this.#at] = id;
    this.#at = (this.#at + 1) % remembered;
  }

  has(id: number): boolean {
    return id <= this.#forgottenUpTo || (this.#ids?.includes(id) ?? false);
  }
}
