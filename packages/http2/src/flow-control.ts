/** The window both ends begin with, and the largest there can be (RFC 9113 section 6.9). */
export const defaultWindowBytes = 65_535;
export const maxWindowBytes = 0x7fffffff;

/**
 * How much the peer may send, of one stream or of the connection:
 *
 *     ├───────────────────── size ──────────────────────┤
 *     ├─ available ─┼─ received, in use ─┼─ used ───────┤
 *      may be sent                        given back once it is half of size: WINDOW_UPDATE
 *
 * A window grows with use: when half of it went through in less time than two round trips, the peer was probably waiting for
 * us, and it doubles, up to `maxBytes`.
 */
export class ReceiveWindow {
  #size: number;
  readonly #maxBytes: number;
  #available: number;
  #used = 0;
  #updatedAt = 0;

  constructor(size: number, maxBytes: number) {
    this.#size = size;
    this.#maxBytes = maxBytes;
    this.#available = size;
  }

  get size(): number {
    return this.#size;
  }

  /** Counts what arrived; false when it is more than was allowed. */
  receive(bytes: number): boolean {
    this.#available -= bytes;
    return this.#available >= 0;
  }

  /**
   * Counts what is used up. Returns by how much the peer's window is to grow now: 0 mostly, so that small messages do not
   * cost a frame each. The window grows by no more than `mayGrowBytes`.
   */
  use(bytes: number, clock: RoundTripClock, mayGrowBytes: number = Number.POSITIVE_INFINITY): number {
    this.#used += bytes;
    if (this.#used < this.#size >> 1) return 0;
    let increment = this.#used;
    this.#used = 0;
    if (this.#size < this.#maxBytes) {
      const now = clock.now();
      if (this.#updatedAt > 0 && now - this.#updatedAt < 2 * clock.roundTripMs) {
        const grown = Math.min(this.#maxBytes, this.#size * 2, this.#size + mayGrowBytes);
        increment += grown - this.#size;
        this.#size = grown;
      }
      this.#updatedAt = now;
    }
    this.#available += increment;
    return increment;
  }
}

/** Tells time, and how long a round trip to the peer takes. Milliseconds. */
export interface RoundTripClock {
  readonly roundTripMs: number;
  now(): number;
}
