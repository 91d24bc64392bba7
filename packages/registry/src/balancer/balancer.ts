import type { Call } from "@clew/rpc";
import type { Node } from "../node.ts";
import type { Outcome } from "../outcome.ts";

/** A strategy that chooses one of several nodes. One balancer serves one client. */
export interface Balancer {
  /** Chooses one of the candidates. There is at least one; the list must not be changed. */
  pick(candidates: readonly Node[], call: Call): Choice;
  /**
   * Called with all nodes whenever they change. The balancer keeps what it knows about the nodes that stay, and may forget the
   * rest.
   */
  update?(nodes: readonly Node[]): void;
}

export interface Choice {
  readonly node: Node;
  /** Called once, when the call is over. */
  done?(outcome: Outcome): void;
}
