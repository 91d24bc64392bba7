import { aFunction, checkOptions } from "@clew/options";
import { optionError } from "../errors.ts";
import type { Node } from "../node.ts";
import type { Balancer, Choice } from "./balancer.ts";

export interface WrrOptions {
  /**
   * Returns a random number from 0 to below 1: the position at which a node starts, so that new clients do not all begin with
   * the same node. Default: Math.random.
   */
  random?: () => number;
}

interface Turn {
  current: number;
}

/**
 * Smooth weighted round robin, the default: each node gets calls in proportion to its weight, spread evenly. Weights of 5, 1
 * and 1 give a a b a c a a.
 *
 * At each pick the turn of every candidate grows by its weight. The candidate with the highest turn is picked, and its turn is
 * reduced by the sum of all weights.
 *
 * @throws CLEW_REGISTRY_OPTION
 */
export function wrr(options: WrrOptions = {}): Balancer {
  checkOptions("wrr", options, { random: aFunction }, optionError);
  return new WeightedRoundRobin(options.random ?? Math.random);
}

class WeightedRoundRobin implements Balancer {
  readonly #random: () => number;
  readonly #turns: Map<string, Turn> = new Map();
  // The candidates of the last pick and their turns: usually the list is the same again, and looking up each node costs more than the
  // rest.
  #candidates: readonly Node[] = [];
  #lined: readonly Turn[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  update(nodes: readonly Node[]): void {
    const keys = new Set(nodes.map(({ key }) => key));
    for (const key of this.#turns.keys()) if (!keys.has(key)) this.#turns.delete(key);
  }

  pick(candidates: readonly Node[]): Choice {
    if (candidates !== this.#candidates) {
      this.#lined = candidates.map((node) => this.#turnOf(node));
      this.#candidates = candidates;
    }
    let total = 0;
    let best = -1;
    for (let index = 0; index < candidates.length; index++) {
      const { weight } = candidates[index]!;
      // A node of weight 0 is picked only when all nodes have weight 0.
      if (weight === 0) continue;
      const turn = this.#lined[index]!;
      turn.current += weight;
      total += weight;
      if (best === -1 || turn.current > this.#lined[best]!.current) best = index;
    }
    if (best === -1) return { node: candidates[Math.floor(this.#random() * candidates.length)]! };
    this.#lined[best]!.current -= total;
    return { node: candidates[best]! };
  }

  #turnOf(node: Node): Turn {
    let turn = this.#turns.get(node.key);
    if (turn === undefined) {
      turn = { current: this.#random() * node.weight };
      this.#turns.set(node.key, turn);
    }
    return turn;
  }
}
