import type { Balancer } from "./balancer.ts";

export interface RandomOptions {
  /** From 0 to below 1. Default: Math.random. */
  random?: () => number;
}

/** Each node as likely as any other, whatever its weight. */
export function random(options: RandomOptions = {}): Balancer {
  const { random: next = Math.random } = options;
  return { pick: (candidates) => ({ node: candidates[Math.floor(next() * candidates.length)]! }) };
}
