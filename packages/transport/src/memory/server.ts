import { AsyncResource } from "node:async_hooks";
import type { Message } from "@bufbuild/protobuf";
import { Context, current } from "@clew/context";
import type { Logger } from "@clew/log";
import {
  chain,
  checkServices,
  type Deadline,
  deadlineIn,
  earliest,
  type Handler,
  type MessageCodec,
  type Metadata,
  type Method,
  type Middleware,
  protoCodec,
  type Service,
  ServiceError,
  wasTold,
} from "@clew/rpc";
import { defaultLogger } from "../default-logger.ts";
import { optionInvalid, serverAlreadyStarted, serviceConflict } from "../errors.ts";
import { checkNamedOperations } from "../named-operations.ts";
import { checkServerOptions } from "../server-options.ts";
import { resolveStopSignal } from "../stop-signal.ts";
import { MemoryCall, Wire } from "./call.ts";

export interface MemoryServerOptions {
  /** The services to serve. Default: none. */
  services?: readonly Service[];
  /** Middleware around every call; the first is the outermost. Default: none. */
  middleware?: readonly Middleware[];
  /**
   * How long a unary call may take, in milliseconds, unless its caller allows less; 0 for no limit. Streams have no limit. Default:
   * 1000.
   */
  timeoutMs?: number;
  /**
   * Logs errors of handlers that are not a ServiceError, unless a middleware logged them. Default: a logger named `clew.server`, see
   * ServerOptions.
   */
  logger?: Logger;
}

type ResolvedMemoryServerOptions = Readonly<Required<MemoryServerOptions>>;

function resolveMemoryServerOptions(options: MemoryServerOptions): ResolvedMemoryServerOptions {
  checkServerOptions(options);
  const { services = [], middleware = [], timeoutMs = 1000, logger = defaultLogger() } = options;
  if (!(timeoutMs >= 0)) throw optionInvalid("timeoutMs", timeoutMs, "a number of milliseconds, or 0 for no limit");
  return { services: checkServices(services), middleware, timeoutMs, logger };
}

interface MemoryRoute {
  readonly method: Method;
  readonly handler: Handler;
  readonly timeoutMs: number;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
}

/**
 * Serves services to clients in the same process, for tests: `createClient(Greeter, { server })`. It opens no socket.
 * Everything else is as over a network: the middleware chain, all four kinds of call, deadlines and cancelling, errors without
 * their causes, and the rules for metadata. Messages are passed as bytes, so neither side sees changes that the other makes to
 * its objects. It serves from its creation; {@link start} is for an App.
 */
export class MemoryServer {
  readonly #options: ResolvedMemoryServerOptions;
  readonly #routes: ReadonlyMap<string, MemoryRoute>;
  readonly #calls: Set<MemoryCall> = new Set();
  // The context of the caller must not reach the handler, as it would not over a socket.
  #resource: AsyncResource = new AsyncResource("clew.MemoryServer");
  #context: Context = Context.root;
  #hasStarted = false;
  #isStopping = false;
  #onIdle: () => void = () => {};

  /** @throws CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_SERVICE_CONFLICT */
  constructor(options: MemoryServerOptions = {}) {
    this.#options = resolveMemoryServerOptions(options);
    this.#routes = createRoutes(this.#options);
    checkNamedOperations(options);
  }

  /**
   * From now on, calls begin with the context that is current here.
   *
   * @throws CLEW_TRANSPORT_STARTED
   */
  async start(): Promise<void> {
    if (this.#hasStarted) throw serverAlreadyStarted("MemoryServer");
    this.#hasStarted = true;
    this.#context = current();
    this.#resource = new AsyncResource("clew.MemoryServer");
  }

  /**
   * Accepts no more calls and waits for the open ones. Calls that are still open when the signal aborts are cancelled; without a
   * signal, none are.
   *
   * @throws CLEW_TRANSPORT_STOP_SIGNAL
   */
  async stop(signal?: AbortSignal): Promise<void> {
    const isOver = resolveStopSignal(signal);
    this.#isStopping = true;
    if (this.#calls.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    const cutOff = (): void => {
      for (const call of this.#calls) call.cancel(new ServiceError(503, "SERVER_STOPPED", "the server is stopping"));
    };
    if (isOver.aborted) cutOff();
    else isOver.addEventListener("abort", cutOff, { once: true });
    await idle;
    isOver.removeEventListener("abort", cutOff);
  }

  /** Returns `memory://local`: the server cannot be reached from another process. */
  endpoint(): URL {
    return new URL("memory://local");
  }

  /** Accepts a call; called by the client side of this transport. Returns the wire over which the call runs. */
  accept(operation: string, metadata: Metadata, deadline: Deadline | undefined): Wire {
    const wire = new Wire();
    const route = this.#routes.get(operation);
    if (this.#isStopping) wire.end(metadata, new ServiceError(503, "UNAVAILABLE", "the server has stopped"));
    else if (route === undefined)
      wire.end(metadata, new ServiceError(501, "", `this server has no method ${operation}`));
    else {
      const call = this.#createCall(route, metadata, deadline, wire);
      this.#calls.add(call);
      // It never rejects: everything that is thrown becomes an error on the wire.
      queueMicrotask(() => void this.#resource.runInAsyncScope(() => call.serve(route.handler)));
    }
    return wire;
  }

  #createCall(route: MemoryRoute, metadata: Metadata, deadline: Deadline | undefined, wire: Wire): MemoryCall {
    const { method, timeoutMs, input, output } = route;
    return new MemoryCall({
      method,
      metadata,
      deadline: earliest(deadline, timeoutMs > 0 ? deadlineIn(timeoutMs) : undefined),
      context: this.#context,
      wire,
      input,
      output,
      onOver: this.#forget,
    });
  }

  readonly #forget = (call: MemoryCall, thrown: unknown): void => {
    if (thrown !== undefined && !(thrown instanceof ServiceError) && !wasTold(thrown)) {
      this.#options.logger.error(`${call.operation} failed`, { error: thrown });
    }
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#onIdle();
  };
}

function createRoutes({ services, middleware, timeoutMs }: ResolvedMemoryServerOptions): Map<string, MemoryRoute> {
  const around = chain(...middleware);
  const routes = new Map<string, MemoryRoute>();
  for (const { methods } of services) {
    for (const { method, handler } of methods) {
      if (routes.has(method.operation)) throw serviceConflict(method.operation);
      routes.set(method.operation, {
        method,
        handler: around(handler),
        timeoutMs: method.kind === "unary" ? timeoutMs : 0,
        input: protoCodec.compile(method.desc.input),
        output: protoCodec.compile(method.desc.output),
      });
    }
  }
  return routes;
}
