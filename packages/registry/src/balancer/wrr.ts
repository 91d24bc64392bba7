import { aFunction, checkOptions } from "@clew/options";
import { optionError } from "../errors.ts";
import type { Node } from "../node.ts";
import type { Balancer, Choice } from "./balancer.ts";

export interface WrrOptions {
  /** From 0 to below 1: where a node starts, so that not every new client begins with the same one. Default: Math.random. */
  random?: () => number;
}

interface Turn {
  current: number;
}

/**
 * Smooth weighted round robin, the default: each node gets calls as its weight has it, spread evenly. Weights of 5, 1 and 1
 * give a a b a c a a.
 *
 * At each pick every candidate's turn grows by its weight; the one furthest ahead is taken and goes back by the sum of all.
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
  // The turns of the candidates of the last pick: mostly they are the same list again, and a lookup for each costs more than the rest.
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
      // A node of weight 0 is there for when all are.
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
