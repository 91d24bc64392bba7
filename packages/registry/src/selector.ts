import { aFunction, checkOptions, having, listOf, type OptionChecks, optionsWith } from "@clew/options";
import type { Call } from "@clew/rpc";
import type { Balancer } from "./balancer/balancer.ts";
import { wrr } from "./balancer/wrr.ts";
import { noAvailableNode, optionError } from "./errors.ts";
import type { Node } from "./node.ts";
import type { NodeFilter } from "./node-filter.ts";
import type { Outcome } from "./outcome.ts";
import { ejectionChecks, OutlierEjection, type OutlierEjectionOptions } from "./outlier-ejection.ts";

export interface SelectorOptions {
  /** The strategy. It must not be shared with another selector. Default: wrr(). */
  balancer?: Balancer;
  /** Filters that select the nodes that a call may be sent to, applied in order. Default: none, all nodes. */
  filters?: readonly NodeFilter[];
  /** When a failing node gets no calls for a while; false for never. Default: see OutlierEjectionOptions. */
  ejection?: OutlierEjectionOptions | false;
  /** Returns milliseconds of a clock that never goes back. Default: performance.now. */
  now?: () => number;
}

const ejection = optionsWith(ejectionChecks);

export const selectorChecks: OptionChecks<SelectorOptions> = {
  balancer: having("a balancer, made by wrr() for example", "pick"),
  filters: listOf("a list of filters", aFunction),
  ejection: (name, given) => (given === false ? undefined : ejection(name, given)),
  now: aFunction,
};

/** The node for a call, and a function to call once when the call is over. */
export interface PickedNode {
  readonly node: Node;
  done(outcome?: Outcome): void;
}

/**
 * Picks a node for each call:
 *
 *     all nodes ─▶ without the ejected ─▶ filters ─▶ without those already tried ─▶ balancer ─▶ node
 *          └─ when the filters leave none of those that are well, they choose among all
 */
export class Selector {
  readonly #balancer: Balancer;
  readonly #filters: readonly NodeFilter[];
  readonly #ejection: OutlierEjection | undefined;
  #nodes: readonly Node[] = [];

  /** @throws CLEW_REGISTRY_OPTION */
  constructor(options: SelectorOptions = {}) {
    checkOptions("Selector", options, selectorChecks, optionError);
    this.#balancer = options.balancer ?? wrr();
    this.#filters = options.filters ?? [];
    this.#ejection = options.ejection === false ? undefined : new OutlierEjection(options.ejection, options.now);
  }

  /** Sets the nodes to pick from. What is known about nodes that stay is kept. */
  update(nodes: readonly Node[]): void {
    this.#nodes = nodes;
    this.#ejection?.update(nodes);
    this.#balancer.update?.(nodes);
  }

  /**
   * Picks a node for a call, and avoids those in `tried` if there are others: a call that is repeated goes elsewhere.
   *
   * @throws ServiceError 503 no_available_node
   */
  pick(call: Call, tried?: readonly Node[]): PickedNode {
    const ejection = this.#ejection;
    const accepted = ejection?.accepted() ?? this.#nodes;
    let candidates = this.#filter(accepted, call);
    if (candidates.length === 0 && accepted !== this.#nodes) candidates = this.#filter(this.#nodes, call);
    if (candidates.length === 0) throw noAvailableNode();
    if (tried !== undefined) {
      const others = candidates.filter((node) => !tried.some(({ key }) => key === node.key));
      if (others.length > 0) candidates = others;
    }
    const choice = this.#balancer.pick(candidates, call);
    const { node } = choice;
    let isDone = false;
    return {
      node,
      done(outcome: Outcome = {}) {
        if (isDone) return;
        isDone = true;
        choice.done?.(outcome);
        ejection?.report(node, outcome);
      },
    };
  }

  #filter(nodes: readonly Node[], call: Call): readonly Node[] {
    let left = nodes;
    for (const filter of this.#filters) left = filter(left, call);
    return left;
  }
}
