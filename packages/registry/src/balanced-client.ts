import { createLogger, type Logger } from "@clew/log";
import { aFunction, checkOptions, numberFrom, type OptionChecks, pickOptions } from "@clew/options";
import { type Call, type Client, type Handler, type Method, type Reply, ServiceError, watchReply } from "@clew/rpc";
import { clientClosed, nodeNotFound, nodeUnusable, optionError } from "./errors.ts";
import { createNode, type Node } from "./node.ts";
import { isNodeFailure } from "./outcome.ts";
import { Resolver, type ResolverOptions, resolverChecks } from "./resolver.ts";
import { type PickedNode, Selector, type SelectorOptions, selectorChecks } from "./selector.ts";

/** How a client finds its nodes and chooses one of them. */
export interface BalancingOptions extends Omit<ResolverOptions, "target">, SelectorOptions {
  /**
   * How long the first calls wait for the first node, in milliseconds from the first call. Without a node, later calls fail at
   * once; calls with `waitForReady` wait until their deadline. Default: 1_000.
   */
  readyTimeoutMs?: number;
}

export interface BalancedClientOptions extends BalancingOptions {
  /** The target: `discovery:///name`, `direct:///host:port,host:port`, `dns:///host:port`, or one endpoint. */
  target: string;
  /**
   * Creates the client of one node; the endpoint has one of the target's schemes. The client must not connect before its first
   * call. `node.name` is the server name for TLS.
   */
  connect: (endpoint: URL, node: Node) => Client;
}

const { target, ...ofResolver } = resolverChecks;

/** The checks of these options, also for clients whose options include them. */
export const balancingChecks: OptionChecks<BalancingOptions> = {
  ...ofResolver,
  ...selectorChecks,
  readyTimeoutMs: numberFrom(0),
};

const balancedClientChecks: OptionChecks<BalancedClientOptions> = {
  target,
  connect: aFunction,
  ...balancingChecks,
};

/**
 * A client of all nodes behind a target. It picks a node for each call and keeps one client for each node. When a node leaves,
 * its client is closed once its calls are over. The target is resolved from the first call on.
 *
 *     call ─▶ resolver (first nodes) ─▶ selector.pick ─▶ client of the node ─▶ reply ─▶ done(outcome)
 */
export class BalancedClient implements Client {
  readonly transport: string;
  readonly #connect: (endpoint: URL, node: Node) => Client;
  readonly #readyTimeoutMs: number;
  readonly #logger: Logger;
  readonly #resolver: Resolver;
  readonly #selector: Selector;
  readonly #channels: Map<string, Channel> = new Map();
  readonly #closing: Set<Promise<void>> = new Set();
  // The nodes to which the attempts of a call were sent, and those where the call itself failed: another attempt avoids them.
  readonly #tried: WeakMap<Call, Node[]> = new WeakMap();
  readonly #closed: AbortController = new AbortController();
  #specimen: Client | undefined;
  #readyBy: number | undefined;

  /** @throws CLEW_REGISTRY_TARGET, CLEW_REGISTRY_DISCOVERY, CLEW_REGISTRY_OPTION */
  constructor(options: BalancedClientOptions) {
    checkOptions("BalancedClient", options, balancedClientChecks, optionError);
    const { readyTimeoutMs = 1_000, logger = createLogger({ name: "registry" }) } = options;
    this.#connect = options.connect;
    this.#readyTimeoutMs = readyTimeoutMs;
    this.#logger = logger;
    const forSelector = pickOptions<BalancedClientOptions, SelectorOptions>(options, selectorChecks);
    const forResolver = pickOptions<BalancedClientOptions, ResolverOptions>(options, resolverChecks);
    this.#selector = new Selector({ ...forSelector, ejection: toEjection(options, logger) });
    this.#resolver = new Resolver({ ...forResolver, logger }, (nodes) => this.#update(nodes));
    this.transport = this.#resolver.transport;
  }

  /** The current nodes; empty until the first call or {@link whenReady}. */
  get nodes(): readonly Node[] {
    return this.#resolver.nodes;
  }

  /**
   * Resolves when there is a node to call, for programs that should not start without one. When the signal aborts first, it rejects
   * with 503 NODE_NOT_FOUND, whose message says why there is none.
   */
  async whenReady(signal?: AbortSignal): Promise<void> {
    const closed = this.#closed.signal;
    closed.throwIfAborted();
    try {
      await this.#resolver.whenReady(signal === undefined ? closed : AbortSignal.any([closed, signal]));
    } catch (error) {
      closed.throwIfAborted();
      const { message, cause = error } = this.#resolver.problem;
      throw nodeNotFound(this.#resolver.target, message, cause);
    }
  }

  /** @throws the error that the client of a node would throw for this method. */
  createHandler(method: Method): Handler {
    // Creates a handler for an invented node: an error in a method is found here, before there is a node, and not at the first
    // call.
    const somewhere = createNode(`${this.#resolver.schemes[0]}://127.0.0.1:1`);
    this.#specimen ??= this.#connect(somewhere.endpoint, somewhere);
    this.#specimen.createHandler(method);
    const handlers: WeakMap<Channel, Handler> = new WeakMap();
    return async (call) => {
      if (this.#resolver.nodes.length === 0 || this.#closed.signal.aborted) await this.#whenNodes(call);
      const origin = originOf(call);
      const pick = this.#pick(call, this.#tried.get(origin));
      // An attempt may be sent while other attempts are still open.
      const isTry = origin !== call;
      if (isTry) this.#remember(origin, pick.node);
      let channel: Channel | undefined;
      const end = (error?: unknown): void => {
        channel?.end();
        const outcome = { error, replyTrailers: call.givenReplyTrailers };
        if (!isTry && isNodeFailure(outcome)) this.#remember(origin, pick.node);
        pick.done(outcome);
      };
      let reply: Reply;
      try {
        channel = this.#channelOf(pick.node);
        channel.begin();
        let handler = handlers.get(channel);
        if (handler === undefined) {
          handler = channel.client.createHandler(method);
          handlers.set(channel, handler);
        }
        reply = await handler(call);
      } catch (error) {
        end(error);
        throw error;
      }
      return watchReply(reply, end);
    };
  }

  /** Takes no more calls. Resolves when the open calls are over and every connection is closed. */
  async close(): Promise<void> {
    this.#closed.abort(clientClosed(this.#resolver.target));
    await this.#resolver.close();
    for (const channel of this.#channels.values()) this.#leave(channel);
    this.#channels.clear();
    await Promise.all([...this.#closing, this.#specimen?.close()]);
  }

  async #whenNodes(call: Call): Promise<void> {
    const { signal } = this.#closed;
    signal.throwIfAborted();
    this.#resolver.start();
    const now = performance.now();
    this.#readyBy ??= now + this.#readyTimeoutMs;
    const waitMs = this.#readyBy - now;
    if (waitMs <= 0 && !call.waitsForReady) return;
    const limit = new AbortController();
    const timer = call.waitsForReady ? undefined : setTimeout(() => limit.abort(), waitMs);
    const release = call.onCancel((reason) => limit.abort(reason));
    try {
      await this.#resolver.whenReady(AbortSignal.any([limit.signal, signal]));
    } catch (error) {
      if (call.cancelled !== undefined) throw call.cancelled;
      if (signal.aborted) throw error;
      // The time is over: the pick below reports why there is no node.
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  #pick(call: Call, tried: readonly Node[] | undefined): PickedNode {
    try {
      return this.#selector.pick(call, tried);
    } catch (error) {
      // A balancer or a filter of the user failed.
      if (!(error instanceof ServiceError)) throw error;
      const { message, cause } =
        this.#resolver.nodes.length === 0
          ? this.#resolver.problem
          : { message: `the filters accept none of its ${this.#resolver.nodes.length} nodes`, cause: error };
      throw nodeNotFound(this.#resolver.target, message, cause);
    }
  }

  #remember(origin: Call, node: Node): void {
    const tried = this.#tried.get(origin);
    if (tried === undefined) this.#tried.set(origin, [node]);
    else tried.push(node);
  }

  #channelOf(node: Node): Channel {
    let channel = this.#channels.get(node.key);
    if (channel === undefined) {
      try {
        channel = new Channel(this.#connect(node.endpoint, node));
      } catch (error) {
        throw nodeUnusable(node.key, error);
      }
      this.#channels.set(node.key, channel);
    }
    return channel;
  }

  #update(nodes: readonly Node[]): void {
    this.#selector.update(nodes);
    const keys = new Set(nodes.map(({ key }) => key));
    for (const [key, channel] of this.#channels) {
      if (keys.has(key)) continue;
      this.#channels.delete(key);
      this.#leave(channel);
    }
  }

  #leave(channel: Channel): void {
    const closing = channel.leave().catch((error: unknown) => {
      this.#logger.warn("cannot close the client of a node", { target: this.#resolver.target, error });
    });
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }
}

function originOf(call: Call): Call {
  let origin = call;
  while (origin.tryOf !== undefined) origin = origin.tryOf;
  return origin;
}

/** The client of one node, with the number of its open calls. */
class Channel {
  readonly client: Client;
  readonly #idle: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #open = 0;
  #hasLeft = false;

  constructor(client: Client) {
    this.client = client;
  }

  begin(): void {
    this.#open++;
  }

  end(): void {
    this.#open--;
    if (this.#hasLeft && this.#open === 0) this.#idle.resolve();
  }

  /** Closes the client once its calls are over. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    if (this.#open > 0) await this.#idle.promise;
    await this.client.close();
  }
}

function toEjection(
  { ejection, target }: BalancedClientOptions,
  logger: Logger,
): (SelectorOptions["ejection"] & object) | false {
  if (ejection === false) return false;
  const onEject = (node: Node, why: string, forMs: number): void => {
    logger.warn("a node is ejected: it gets no calls for a while", { target, node: node.key, why, forMs });
  };
  return { onEject, ...ejection };
}
