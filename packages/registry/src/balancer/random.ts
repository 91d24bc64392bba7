import { aFunction, checkOptions } from "@clew/options";
import { optionError } from "../errors.ts";
import type { Balancer } from "./balancer.ts";

export interface RandomOptions {
  /** Returns a random number from 0 to below 1. Default: Math.random. */
  random?: () => number;
}

/**
 * Picks every node with the same probability, whatever its weight.
 *
 * @throws CLEW_REGISTRY_OPTION
 */
export function random(options: RandomOptions = {}): Balancer {
  checkOptions("random", options, { random: aFunction }, optionError);
  const { random: next = Math.random } = options;
  return { pick: (candidates) => ({ node: candidates[Math.floor(next() * candidates.length)]! }) };
}
