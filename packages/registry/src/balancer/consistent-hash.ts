import { aFunction, checkOptions, checkValue, kind, type OptionChecks } from "@clew/options";
import type { Call } from "@clew/rpc";
import { optionError } from "../errors.ts";
import { fnv1a32, mix32 } from "../hash.ts";
import type { Node } from "../node.ts";
import type { Balancer, Choice } from "./balancer.ts";

export interface ConsistentHashOptions {
  /**
   * Returns the key of a call, such as `call.metadata.get("x-user-id")`. Calls with the same key go to the same node. A call
   * without a key goes to any node.
   */
  key: (call: Call) => string | undefined;
  /** Returns a random number from 0 to below 1, for calls without a key. Default: Math.random. */
  random?: () => number;
}

const aKey = kind("a function of the call", (given) => typeof given === "function");

const optionChecks: OptionChecks<ConsistentHashOptions> = { key: aKey, random: aFunction };

/**
 * Calls with the same key go to the same node, for nodes with caches or state. When nodes join or leave, only the keys of those
 * nodes move. A node with twice the weight gets twice the keys.
 *
 * It is rendezvous hashing: for the key, every node gets the score -weight / ln(hash of node and key), and the highest score
 * wins. There is no ring to keep, so it works with any selection of the nodes.
 *
 * @throws CLEW_REGISTRY_OPTION
 */
export function consistentHash(options: ConsistentHashOptions): Balancer {
  checkOptions("consistentHash", options, optionChecks, optionError);
  checkValue("key", options.key, aKey, optionError);
  return new ConsistentHash(options.key, options.random ?? Math.random);
}

class ConsistentHash implements Balancer {
  readonly #keyOf: (call: Call) => string | undefined;
  readonly #random: () => number;
  readonly #hashes: Map<string, number> = new Map();

  constructor(keyOf: (call: Call) => string | undefined, random: () => number) {
    this.#keyOf = keyOf;
    this.#random = random;
  }

  update(nodes: readonly Node[]): void {
    this.#hashes.clear();
    for (const { key } of nodes) this.#hashes.set(key, fnv1a32(key));
  }

  pick(candidates: readonly Node[], call: Call): Choice {
    const key = this.#keyOf(call);
    if (key === undefined) return { node: candidates[Math.floor(this.#random() * candidates.length)]! };
    const hash = mix32(fnv1a32(key));
    let best = candidates[0]!;
    let highest = -1;
    for (const node of candidates) {
      const nodeHash = this.#hashes.get(node.key) ?? fnv1a32(node.key);
      // Evenly distributed in (0, 1): at the ends the logarithm would be infinite or zero.
      const even = (mix32(hash ^ nodeHash) + 0.5) / 2 ** 32;
      const score = -node.weight / Math.log(even);
      if (score > highest) {
        best = node;
        highest = score;
      }
    }
    return { node: best };
  }
}
