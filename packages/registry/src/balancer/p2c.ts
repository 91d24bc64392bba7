import { aFunction, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import { optionError } from "../errors.ts";
import { defaultWeight, type Node } from "../node.ts";
import type { Balancer, Choice } from "./balancer.ts";
import { EwmaLoad } from "./ewma-load.ts";

export interface P2cOptions {
  /**
   * How long it takes until a node that joins others gets its full share of calls, in milliseconds; 0 for no delay. It begins
   * with a tenth, because a process that has just started is slow. Default: 10_000.
   */
  slowStartMs?: number;
  /** Returns a random number from 0 to below 1. Default: Math.random. */
  random?: () => number;
  /** Returns milliseconds of a clock that never goes back. Default: performance.now. */
  now?: () => number;
}

const optionChecks: OptionChecks<P2cOptions> = { slowStartMs: numberFrom(0), random: aFunction, now: aFunction };

/** A node that lost every comparison for this time, in milliseconds, is picked nevertheless: it may have recovered. */
const forcePickMs = 3_000;
/** The share with which a slow start begins. */
const leastShare = 0.1;

/**
 * The power of two choices: takes two nodes at random and picks the better one, by latency, success and open calls (see {@link
 * EwmaLoad}), times the node's weight. What is known about a node is forgotten when the node leaves.
 *
 * @throws CLEW_REGISTRY_OPTION
 */
export function p2c(options: P2cOptions = {}): Balancer {
  checkOptions("p2c", options, optionChecks, optionError);
  const { slowStartMs = 10_000, random = Math.random, now = () => performance.now() } = options;
  return new PowerOfTwoChoices(slowStartMs, random, now);
}

interface Known {
  readonly load: EwmaLoad;
  /** When it joined nodes that were there before it. */
  readonly joinedAt: number;
}

class PowerOfTwoChoices implements Balancer {
  readonly #slowStartMs: number;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #known: Map<string, Known> = new Map();

  constructor(slowStartMs: number, random: () => number, now: () => number) {
    this.#slowStartMs = slowStartMs;
    this.#random = random;
    this.#now = now;
  }

  update(nodes: readonly Node[]): void {
    const keys = new Set(nodes.map(({ key }) => key));
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
    // If all nodes are new, a slow start helps nobody.
    const now = this.#now();
    const joinedAt = this.#known.size === 0 ? Number.NEGATIVE_INFINITY : now;
    for (const key of keys) {
      if (!this.#known.has(key)) this.#known.set(key, { load: new EwmaLoad(now), joinedAt });
    }
  }

  pick(candidates: readonly Node[]): Choice {
    const now = this.#now();
    const node = candidates.length === 1 ? candidates[0]! : this.#choose(candidates, now);
    const end = this.#knownOf(node, now).load.begin(now);
    return { node, done: (outcome) => end(this.#now(), outcome) };
  }

  #choose(candidates: readonly Node[], now: number): Node {
    const first = Math.floor(this.#random() * candidates.length);
    let second = Math.floor(this.#random() * (candidates.length - 1));
    if (second >= first) second++;
    const a = candidates[first]!;
    const b = candidates[second]!;
    const [better, worse] = this.#weigh(b, now) > this.#weigh(a, now) ? [b, a] : [a, b];
    if (now - this.#knownOf(worse, now).load.pickedAt > forcePickMs) return worse;
    // Decided by chance and not by a smaller weight: with that, a node would lose every comparison until it wins them all.
    const share = this.#shareOf(better, now);
    return share < 1 && this.#random() >= share && this.#shareOf(worse, now) > share ? worse : better;
  }

  #weigh(node: Node, now: number): number {
    const { load } = this.#knownOf(node, now);
    return load.weight(now, load.lagNs ?? this.#usualLagNs()) * (node.weight / defaultWeight);
  }

  /** The part of its share that a node gets: less than 1 while it starts. */
  #shareOf(node: Node, now: number): number {
    const ageMs = now - this.#knownOf(node, now).joinedAt;
    return ageMs >= this.#slowStartMs ? 1 : Math.max(leastShare, ageMs / this.#slowStartMs);
  }

  /**
   * The mean latency of the nodes that have one; it is assumed for a new node. Kratos assumes a penalty instead, with which a
   * new node gets only one call every three seconds.
   */
  #usualLagNs(): number {
    let count = 0;
    let totalNs = 0;
    for (const { load } of this.#known.values()) {
      if (load.lagNs === undefined) continue;
      count++;
      totalNs += load.lagNs;
    }
    return count === 0 ? 0 : totalNs / count;
  }

  #knownOf(node: Node, now: number): Known {
    let known = this.#known.get(node.key);
    if (known === undefined) {
      // Only when used without a selector, which reports every node before.
      known = { load: new EwmaLoad(now), joinedAt: Number.NEGATIVE_INFINITY };
      this.#known.set(node.key, known);
    }
    return known;
  }
}
