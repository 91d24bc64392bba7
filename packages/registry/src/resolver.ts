import { randomUUID } from "node:crypto";
import { Context, run } from "@clew/context";
import { createLogger, type Logger } from "@clew/log";
import {
  aFunction,
  aLogger,
  aText,
  checkOptions,
  having,
  longestTimerMs,
  millisecondsFrom,
  type OptionChecks,
  wholeNumberFrom,
} from "@clew/options";
import { backoffMs } from "./backoff.ts";
import type { Discovery } from "./discovery.ts";
import { type Lookup, systemLookup, watchDns } from "./dns-watch.ts";
import { discoveryMissing, optionError } from "./errors.ts";
import type { Instance } from "./instance.ts";
import { createNode, isSameNode, type Node } from "./node.ts";
import { type Sleep, systemSleep } from "./sleep.ts";
import { pickSubset } from "./subset.ts";
import { isEndpoint, parseTarget, type Scheme, type Target } from "./target.ts";

export interface ResolverOptions {
  /** The target: `discovery:///name`, `direct:///host:port,host:port`, `dns:///host:port`, or one endpoint. */
  target: string;
  /** The registry in which services are registered. Required for `discovery:///`. Default: none. */
  discovery?: Discovery;
  /** How many instances of a registry's list are used, always the same ones for one client; 0 for all. Default: 25. */
  subset?: number;
  /** Determines which instances are in the subset. Default: a random UUID, so that clients spread over all instances. */
  clientId?: string;
  /** How often a DNS name is looked up, in milliseconds. Default: 10_000. */
  dnsRefreshMs?: number;
  /** Gets warnings about empty lists, failures and instances that cannot be called. Default: a logger named "registry". */
  logger?: Logger;
  /** Looks up DNS names. Default: the system's resolver. */
  lookup?: Lookup;
  /** Returns a random number from 0 to below 1, to spread retries. Default: Math.random. */
  random?: () => number;
  /** Waits between retries. Default: with the system's clock. */
  sleep?: Sleep;
}

type ResolvedResolverOptions = Required<Omit<ResolverOptions, "discovery">> & {
  readonly parsed: Target;
  readonly discovery: Discovery | undefined;
};

export const resolverChecks: OptionChecks<ResolverOptions> = {
  target: aText,
  discovery: having("a registry", "list", "watch"),
  subset: wholeNumberFrom(0),
  clientId: aText,
  dnsRefreshMs: millisecondsFrom(1),
  logger: aLogger,
  lookup: aFunction,
  random: aFunction,
  sleep: aFunction,
};

function resolveResolverOptions(options: ResolverOptions): ResolvedResolverOptions {
  checkOptions("Resolver", options, resolverChecks, optionError);
  const { target, discovery, subset = 25, dnsRefreshMs = 10_000 } = options;
  const parsed = parseTarget(target);
  if (parsed.kind === "discovery" && discovery === undefined) throw discoveryMissing(target);
  return {
    target,
    parsed,
    discovery,
    subset,
    clientId: options.clientId ?? randomUUID(),
    dnsRefreshMs,
    logger: options.logger ?? createLogger({ name: "registry" }),
    lookup: options.lookup ?? systemLookup,
    random: options.random ?? Math.random,
    sleep: options.sleep ?? systemSleep,
  };
}

/**
 * Turns a target into nodes and follows their changes. It retries failures for ever. It keeps its nodes after a failure and
 * after an empty list, because a registry that lost its memory is more likely than a service that lost all its instances at
 * once.
 */
export class Resolver {
  readonly #options: ResolvedResolverOptions;
  readonly #onNodes: (nodes: readonly Node[]) => void;
  readonly #end: AbortController = new AbortController();
  readonly #waiting: Set<() => void> = new Set();
  #nodes: readonly Node[] = [];
  #following: Promise<void> | undefined;
  #problem: string;
  #cause: unknown;

  /**
   * `onNodes` is called with every list of nodes that differs from the previous one. A node that stays is the same object.
   *
   * @throws CLEW_REGISTRY_TARGET, CLEW_REGISTRY_DISCOVERY, CLEW_REGISTRY_OPTION
   */
  constructor(options: ResolverOptions, onNodes: (nodes: readonly Node[]) => void = () => {}) {
    this.#options = resolveResolverOptions(options);
    this.#onNodes = onNodes;
    this.#problem = "it has not been resolved yet";
  }

  /** The target that is resolved. */
  get target(): string {
    return this.#options.target;
  }

  /** The protocol of all its nodes. */
  get transport(): "grpc" | "http" {
    return this.#options.parsed.transport;
  }

  /** The schemes that its nodes may have. */
  get schemes(): readonly Scheme[] {
    return this.#options.parsed.schemes;
  }

  /** The current nodes; empty until the first list that is not empty. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** Why there are no nodes, in a text for people, and the error if there was one. */
  get problem(): { readonly message: string; readonly cause: unknown } {
    return { message: this.#problem, cause: this.#cause };
  }

  /** Begins to resolve. A second call does nothing. */
  start(): void {
    // Resolving continues long after the call that started it. It runs in the root context, so that it keeps neither that call
    // nor its span.
    this.#following ??= run(Context.root, () => this.#follow());
  }

  /** Starts, and resolves when there are nodes. Rejects with the signal's reason when it aborts first. */
  async whenReady(signal?: AbortSignal): Promise<void> {
    this.start();
    if (this.#nodes.length > 0) return;
    signal?.throwIfAborted();
    // Watches do not keep the process alive, but here a caller waits.
    const alive = setInterval(() => {}, longestTimerMs);
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(found);
        reject(signal?.reason);
      };
      const found = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      this.#waiting.add(found);
      signal?.addEventListener("abort", abort, { once: true });
    }).finally(() => clearInterval(alive));
  }

  /** Ends the watching; the nodes remain. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { logger, random, sleep, target } = this.#options;
    const { signal } = this.#end;
    let failures = 0;
    while (!signal.aborted) {
      try {
        for await (const nodes of this.#watch(signal)) {
          if (signal.aborted) return;
          failures = 0;
          this.#take(nodes);
        }
        if (signal.aborted) return;
        throw new Error("the watch ended");
      } catch (error) {
        if (signal.aborted) return;
        const retryMs = backoffMs(++failures, random);
        this.#problem = error instanceof Error ? error.message : String(error);
        this.#cause = error;
        logger.warn("cannot resolve, trying again", { target, error, retryMs: Math.round(retryMs) });
        await sleep(retryMs, signal);
      }
    }
  }

  #watch(signal: AbortSignal): AsyncIterable<readonly Node[]> {
    const { parsed, dnsRefreshMs: refreshMs, lookup, sleep } = this.#options;
    switch (parsed.kind) {
      case "discovery":
        return this.#watchInstances(parsed.name, signal);
      case "dns": {
        const { host, port, schemes } = parsed;
        return watchDns({ host, port, scheme: schemes[0]!, refreshMs, lookup, sleep }, signal);
      }
      case "direct":
        return watchFixed(
          parsed.endpoints.map((endpoint) => createNode(endpoint)),
          signal,
        );
    }
  }

  async *#watchInstances(name: string, signal: AbortSignal): AsyncGenerator<readonly Node[], void> {
    const { discovery, subset, clientId } = this.#options;
    for await (const instances of discovery!.watch(name, signal)) {
      const nodes = this.#toNodes(instances);
      yield subset === 0 ? nodes : pickSubset(clientId, nodes, (node) => `${node.name}-${node.id}`, subset);
    }
  }

  /** Returns the endpoint of each instance that has one of the schemes. */
  #toNodes(instances: readonly Instance[]): readonly Node[] {
    const { target, parsed, logger } = this.#options;
    const nodes: Node[] = [];
    const others = new Set<string>();
    for (const instance of instances) {
      const endpoints = instance.endpoints.map((text) => ({ text, scheme: /^[^:]*/.exec(text)![0].toLowerCase() }));
      const usable = parsed.schemes
        .flatMap((scheme) => endpoints.filter((endpoint) => endpoint.scheme === scheme))
        .find(({ text }) => isEndpoint(text));
      if (usable !== undefined) nodes.push(createNode(usable.text, instance));
      else for (const { scheme } of endpoints) others.add(scheme);
    }
    if (nodes.length < instances.length) {
      const wanted = parsed.schemes.join(" or ");
      const found = [...others].join(", ") || "none";
      logger.warn("some instances have no endpoint that this client can call", {
        target,
        count: instances.length - nodes.length,
        wanted,
        found,
      });
      if (nodes.length === 0) {
        this.#problem = `its instances have no ${wanted} endpoint (they have: ${found})`;
        this.#cause = undefined;
      }
    } else if (instances.length === 0) {
      this.#problem = "it has no instances";
      this.#cause = undefined;
    }
    return nodes;
  }

  #take(nodes: readonly Node[]): void {
    if (nodes.length === 0) {
      if (this.#nodes.length > 0) {
        const { target, logger } = this.#options;
        logger.warn("the registry returned an empty list; the previous nodes are kept", {
          target,
          count: this.#nodes.length,
        });
      }
      return;
    }
    const before = new Map(this.#nodes.map((node) => [node.key, node]));
    // Keeps the first of the instances that share an endpoint: a restarted instance shares it with the one whose lease is not
    // over yet.
    const byKey = new Map<string, Node>();
    for (const node of nodes) {
      if (byKey.has(node.key)) continue;
      const old = before.get(node.key);
      byKey.set(node.key, old !== undefined && isSameNode(old, node) ? old : node);
    }
    const next = [...byKey.values()];
    if (next.length === before.size && next.every((node) => before.get(node.key) === node)) return;
    this.#nodes = next;
    this.#onNodes(next);
    for (const found of this.#waiting) found();
    this.#waiting.clear();
  }
}

async function* watchFixed(nodes: readonly Node[], signal: AbortSignal): AsyncGenerator<readonly Node[], void> {
  yield nodes;
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
