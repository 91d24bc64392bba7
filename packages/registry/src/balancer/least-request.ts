import { aFunction, checkOptions } from "@clew/options";
import { optionError } from "../errors.ts";
import { defaultWeight, type Node } from "../node.ts";
import type { Balancer, Choice } from "./balancer.ts";

export interface LeastRequestOptions {
  /** Returns a random number from 0 to below 1, which decides between equal nodes. Default: Math.random. */
  random?: () => number;
}

/**
 * Picks the node with the fewest open calls of this client, relative to its weight: a node of weight 200 may have twice as many
 * as a node of weight 100. Good where the durations of calls differ much.
 *
 * @throws CLEW_REGISTRY_OPTION
 */
export function leastRequest(options: LeastRequestOptions = {}): Balancer {
  checkOptions("leastRequest", options, { random: aFunction }, optionError);
  return new LeastRequest(options.random ?? Math.random);
}

class LeastRequest implements Balancer {
  readonly #random: () => number;
  // Only nodes with an open call have an entry, so nodes that left disappear by themselves.
  readonly #underway: Map<string, number> = new Map();

  constructor(random: () => number) {
    this.#random = random;
  }

  pick(candidates: readonly Node[]): Choice {
    let best = candidates[0]!;
    let least = this.#loadWith(best);
    let equals = 1;
    for (let index = 1; index < candidates.length; index++) {
      const node = candidates[index]!;
      const load = this.#loadWith(node);
      if (load < least) {
        best = node;
        least = load;
        equals = 1;
      } else if (load === least && Math.floor(this.#random() * ++equals) === 0) {
        // Each of the equal nodes is chosen with the same probability (reservoir sampling).
        best = node;
      }
    }
    const { key } = best;
    this.#underway.set(key, (this.#underway.get(key) ?? 0) + 1);
    return { node: best, done: () => this.#end(key) };
  }

  /** The load that the node would have with this call, relative to its weight. */
  #loadWith({ key, weight }: Node): number {
    return ((this.#underway.get(key) ?? 0) + 1) / (weight / defaultWeight);
  }

  #end(key: string): void {
    const left = this.#underway.get(key)! - 1;
    if (left > 0) this.#underway.set(key, left);
    else this.#underway.delete(key);
  }
}
