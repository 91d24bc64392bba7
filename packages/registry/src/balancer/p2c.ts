import { aFunction, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import { optionError } from "../errors.ts";
import { defaultWeight, type Node } from "../node.ts";
import type { Balancer, Choice } from "./balancer.ts";
import { EwmaLoad } from "./ewma-load.ts";

export interface P2cOptions {
  /**
   * How long a node that joins others takes to get its full share, in milliseconds; 0 for at once. It begins with a tenth: a
   * process that has just started is slow. Default: 10_000.
   */
  slowStartMs?: number;
  /** From 0 to below 1. Default: Math.random. */
  random?: () => number;
  /** Milliseconds on a clock that only goes forward. Default: performance.now. */
  now?: () => number;
}

const optionChecks: OptionChecks<P2cOptions> = { slowStartMs: numberFrom(0), random: aFunction, now: aFunction };

/** A node that lost every comparison for this long, in milliseconds, is picked all the same: it may be well again. */
const forcePickMs = 3_000;
/** The share that a slow start begins with. */
const leastShare = 0.1;

/**
 * The power of two choices: of two nodes taken at random, the one that does better, by latency, success and calls on their way
 * (see {@link EwmaLoad}), times its own weight. What is known of a node lasts as long as the node does.
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
  /** When it joined others that were there before. */
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
    // When all are new, holding each of them back helps nobody.
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
    // By chance and not by a smaller weight: that would lose every comparison until it wins them all.
    const share = this.#shareOf(better, now);
    return share < 1 && this.#random() >= share && this.#shareOf(worse, now) > share ? worse : better;
  }

  #weigh(node: Node, now: number): number {
    const { load } = this.#knownOf(node, now);
    return load.weight(now, load.lagNs ?? this.#usualLagNs()) * (node.weight / defaultWeight);
  }

  /** What a node gets of its share: less than 1 while it starts. */
  #shareOf(node: Node, now: number): number {
    const ageMs = now - this.#knownOf(node, now).joinedAt;
    return ageMs >= this.#slowStartMs ? 1 : Math.max(leastShare, ageMs / this.#slowStartMs);
  }

  /**
   * The mean latency of the nodes that have one: what a new node is taken to have. Kratos gives it a penalty instead, with which
   * it gets nothing but a call every three seconds.
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
      // Used without a selector, which tells every node.
      known = { load: new EwmaLoad(now), joinedAt: Number.NEGATIVE_INFINITY };
      this.#known.set(node.key, known);
    }
    return known;
  }
}
