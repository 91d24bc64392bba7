import { aFunction, numberFrom, type OptionChecks } from "@clew/options";
import type { Node } from "./node.ts";
import { isNodeFailure, type Outcome } from "./outcome.ts";

export interface OutlierEjectionOptions {
  /** The number of failures in a row after which a node is ejected; 0 for never. Default: 5. */
  consecutiveFailures?: number;
  /** How often success rates are compared, in milliseconds. Default: 10_000. */
  intervalMs?: number;
  /** How long the first ejection lasts, in milliseconds; the n-th in a row lasts n times as long. Default: 30_000. */
  baseEjectionMs?: number;
  /** The maximum length of an ejection, in milliseconds. Default: 300_000. */
  maxEjectionMs?: number;
  /**
   * The maximum share of nodes that may be ejected at once, in percent. One node may always be ejected, but never the last one.
   * Default: 50.
   */
  maxEjectionPercent?: number;
  /** Nodes whose success rate is this many standard deviations below the mean are ejected; 0 for none. Default: 1.9. */
  successRateDeviations?: number;
  /** The number of nodes with enough calls in an interval that is needed to compare success rates. Default: 5. */
  successRateMinNodes?: number;
  /** The number of calls in an interval that are enough. Default: 100. */
  successRateMinCalls?: number;
  /** Called for every node that is ejected. Default: none. */
  onEject?: (node: Node, why: string, forMs: number) => void;
}

type ResolvedOutlierEjectionOptions = Required<OutlierEjectionOptions>;

/** The checks of these options, also for the selector, whose options include them. */
export const ejectionChecks: OptionChecks<OutlierEjectionOptions> = {
  consecutiveFailures: numberFrom(0),
  intervalMs: numberFrom(1),
  baseEjectionMs: numberFrom(1),
  maxEjectionMs: numberFrom(1),
  maxEjectionPercent: numberFrom(0, 100),
  successRateDeviations: numberFrom(0),
  successRateMinNodes: numberFrom(1),
  successRateMinCalls: numberFrom(1),
  onEject: aFunction,
};

function resolveOutlierEjectionOptions(options: OutlierEjectionOptions): ResolvedOutlierEjectionOptions {
  return {
    consecutiveFailures: options.consecutiveFailures ?? 5,
    intervalMs: options.intervalMs ?? 10_000,
    baseEjectionMs: options.baseEjectionMs ?? 30_000,
    maxEjectionMs: options.maxEjectionMs ?? 300_000,
    maxEjectionPercent: options.maxEjectionPercent ?? 50,
    successRateDeviations: options.successRateDeviations ?? 1.9,
    successRateMinNodes: options.successRateMinNodes ?? 5,
    successRateMinCalls: options.successRateMinCalls ?? 100,
    onEject: options.onEject ?? (() => {}),
  };
}

interface Health {
  /** The node as it was last reported. */
  node: Node;
  failuresInRow: number;
  /** The calls of this interval. */
  calls: number;
  successes: number;
  /** The number of ejections in a row; reduced by one for each interval in which the node is healthy. */
  ejections: number;
  /** The end of the ejection; undefined while the node is not ejected. */
  until: number | undefined;
}

/**
 * Ejects nodes that fail: they get no calls for a while. A node that fails several times in a row is ejected at once; a node
 * whose success rate is far below that of the others is ejected at the end of an interval. The rules are those of Envoy's
 * outlier detection. It has no timer: it checks the clock when it is used.
 */
export class OutlierEjection {
  readonly #options: ResolvedOutlierEjectionOptions;
  readonly #now: () => number;
  readonly #health: Map<string, Health> = new Map();
  #nodes: readonly Node[] = [];
  // The same list until something changes: balancers keep their knowledge by it.
  #accepted: readonly Node[] | undefined;
  #ejected = 0;
  #nextReturn = Number.POSITIVE_INFINITY;
  #intervalEnd: number;

  constructor(options: OutlierEjectionOptions = {}, now: () => number = () => performance.now()) {
    this.#options = resolveOutlierEjectionOptions(options);
    this.#now = now;
    this.#intervalEnd = now() + this.#options.intervalMs;
  }

  /** Sets the current nodes. What is known about nodes that stay is kept. */
  update(nodes: readonly Node[]): void {
    this.#nodes = nodes;
    this.#accepted = undefined;
    const keys = new Set(nodes.map(({ key }) => key));
    for (const [key, health] of this.#health) {
      if (keys.has(key)) continue;
      if (health.until !== undefined) this.#ejected--;
      this.#health.delete(key);
    }
    for (const node of nodes) {
      const health = this.#health.get(node.key);
      if (health !== undefined) health.node = node;
      else {
        this.#health.set(node.key, { node, failuresInRow: 0, calls: 0, successes: 0, ejections: 0, until: undefined });
      }
    }
  }

  /** Returns the nodes that are not ejected. */
  accepted(): readonly Node[] {
    const now = this.#now();
    if (now >= this.#intervalEnd) this.#compare(now);
    if (now >= this.#nextReturn) this.#takeBack(now);
    this.#accepted ??=
      this.#ejected === 0 ? this.#nodes : this.#nodes.filter(({ key }) => this.#health.get(key)?.until === undefined);
    return this.#accepted;
  }

  /** Reports that a call to this node has ended. */
  report({ key }: Node, outcome: Outcome): void {
    const health = this.#health.get(key);
    // The node left, or it is ejected already because of earlier calls.
    if (health === undefined || health.until !== undefined) return;
    health.calls++;
    if (!isNodeFailure(outcome)) {
      health.successes++;
      health.failuresInRow = 0;
      return;
    }
    const { consecutiveFailures } = this.#options;
    if (++health.failuresInRow >= consecutiveFailures && consecutiveFailures > 0) {
      this.#eject(health, `${health.failuresInRow} failures in a row`, this.#now());
    }
  }

  #eject(health: Health, why: string, now: number): void {
    const { baseEjectionMs, maxEjectionMs, maxEjectionPercent, onEject } = this.#options;
    const count = this.#nodes.length;
    const most = Math.min(count - 1, Math.max(1, Math.floor((count * maxEjectionPercent) / 100)));
    if (maxEjectionPercent === 0 || this.#ejected >= most) return;
    health.ejections++;
    const forMs = Math.min(baseEjectionMs * health.ejections, maxEjectionMs);
    health.until = now + forMs;
    this.#ejected++;
    this.#nextReturn = Math.min(this.#nextReturn, health.until);
    this.#accepted = undefined;
    onEject(health.node, why, forMs);
  }

  #takeBack(now: number): void {
    this.#nextReturn = Number.POSITIVE_INFINITY;
    for (const health of this.#health.values()) {
      if (health.until === undefined) continue;
      if (now < health.until) {
        this.#nextReturn = Math.min(this.#nextReturn, health.until);
        continue;
      }
      health.until = undefined;
      health.failuresInRow = 0;
      health.calls = 0;
      health.successes = 0;
      this.#ejected--;
      this.#accepted = undefined;
    }
  }

  /** The end of an interval. */
  #compare(now: number): void {
    const { intervalMs, successRateDeviations, successRateMinNodes, successRateMinCalls } = this.#options;
    this.#intervalEnd = now + intervalMs;
    const there = [...this.#health.values()].filter(({ until }) => until === undefined);
    const rated = there.filter(({ calls }) => calls >= successRateMinCalls);
    const outliers = new Set<Health>();
    if (successRateDeviations > 0 && rated.length >= successRateMinNodes) {
      const rates = rated.map(({ successes, calls }) => successes / calls);
      const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
      const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
      const threshold = mean - successRateDeviations * Math.sqrt(variance);
      rated.forEach((health, index) => {
        if (rates[index]! < threshold) outliers.add(health);
      });
    }
    for (const health of there) {
      if (outliers.has(health)) {
        this.#eject(
          health,
          `${health.successes} of ${health.calls} calls succeeded, far fewer than on other nodes`,
          now,
        );
      } else if (health.ejections > 0) {
        health.ejections--;
      }
      health.calls = 0;
      health.successes = 0;
    }
  }
}
