import type { CallStats } from "../contract.ts";

/** Calls of one kind. Every duration is kept: there are no more than spans that are looked at. */
export class Calls {
  readonly #durationsUs: number[] = [];
  #errorCount = 0;

  get count(): number {
    return this.#durationsUs.length;
  }

  add(durationUs: number, isError: boolean): void {
    this.#durationsUs.push(durationUs);
    if (isError) this.#errorCount++;
  }

  addAll(other: Calls): void {
    for (const durationUs of other.#durationsUs) this.#durationsUs.push(durationUs);
    this.#errorCount += other.#errorCount;
  }

  stats(): CallStats {
    const sorted = Float64Array.from(this.#durationsUs).sort();
    return {
      callCount: sorted.length,
      errorCount: this.#errorCount,
      p50Ms: percentile(sorted, 0.5) / 1000,
      p95Ms: percentile(sorted, 0.95) / 1000,
    };
  }
}

/** By nearest rank: the smallest value that so large a share of all does not exceed. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
}

/** The calls between two services, by the one that calls and the one that is called. */
export type CallsByPair = Map<string, Map<string, Calls>>;

export function callsOfPair(pairs: CallsByPair, parent: string, child: string): Calls {
  return memberOf(
    memberOf(pairs, parent, () => new Map<string, Calls>()),
    child,
    () => new Calls(),
  );
}

/** What a map has at a key; made when there is nothing yet. */
export function memberOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
