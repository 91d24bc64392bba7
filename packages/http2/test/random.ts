/** A seeded generator of pseudo-random numbers (xorshift32): the same seed gives the same run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }

  /** `bytes` cut at random places. */
  split(bytes: Buffer): Buffer[] {
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + (this.below(3) === 0 ? this.below(bytes.length) : this.below(12));
      parts.push(bytes.subarray(at, at + length));
      at += length;
    }
    return parts;
  }
}

/**
 * Runs a property with many seeds, and names the seed that broke it. CLEW_SEED=n runs only that one, CLEW_RUNS=n so many.
 */
export async function forSeeds(
  runs: number,
  property: (random: Random, seed: number) => void | Promise<void>,
): Promise<void> {
  const only = process.env.CLEW_SEED;
  const count = Number(process.env.CLEW_RUNS ?? runs);
  const first = only === undefined ? 1 : Number(only);
  for (let seed = first; seed < first + (only === undefined ? count : 1); seed++) {
    try {
      await property(new Random(Math.imul(seed, 0x9e3779b1)), seed);
    } catch (error) {
      throw new Error(`seed ${seed} (run it alone with CLEW_SEED=${seed}): ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}
