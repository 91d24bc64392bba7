import type { Call } from "@clew/rpc";
import type { Node } from "../node.ts";
import type { Outcome } from "../outcome.ts";

/** The strategy that chooses one of several nodes. One balancer serves one client. */
export interface Balancer {
  /** One of the candidates, of which there is at least one; the list must not be changed. */
  pick(candidates: readonly Node[], call: Call): Choice;
  /** Told all nodes whenever they change: what is known of those that stay is kept, the rest may go. */
  update?(nodes: readonly Node[]): void;
}

export interface Choice {
  readonly node: Node;
  /** Called once, when the call is over. */
  done?(outcome: Outcome): void;
}
