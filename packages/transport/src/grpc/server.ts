import { ServiceError } from "@clew/rpc";
import type { Health } from "../health.ts";
import { type ServerConnectionOptions, ServerConnections } from "../http2/server-connections.ts";
import { Listener, type ListenerOptions, resolveListenerOptions } from "../listener.ts";
import { checkNamedOperations } from "../named-operations.ts";
import { checkServerOptions } from "../server-options.ts";
import { resolveStopSignal } from "../stop-signal.ts";
import { createGrpcHandler, type GrpcHandler, type GrpcHandlerOptions } from "./handler.ts";

export interface GrpcServerOptions
  extends Pick<
      ListenerOptions,
      "address" | "listener" | "tls" | "headerLimitBytes" | "headerTimeoutMs" | "maxConnectionIdleMs" | "logger"
    >,
    GrpcHandlerOptions,
    ServerConnectionOptions {}

/** Serves gRPC over HTTP/2. It has a listener, the connections, and the handler that answers their streams. */
export class GrpcServer {
  readonly #handler: GrpcHandler;
  readonly #listener: Listener;

  /** @throws CLEW_TRANSPORT_ADDRESS, CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_TLS, CLEW_TRANSPORT_SERVICE_CONFLICT. */
  constructor(options: GrpcServerOptions = {}) {
    checkServerOptions(options);
    this.#handler = createGrpcHandler(options);
    const listener = resolveListenerOptions({ ...options, maxConnectionIdleMs: options.maxConnectionIdleMs ?? 0 });
    const tellUnmet = checkNamedOperations(options);
    this.#listener = new Listener({
      server: "GrpcServer",
      options: listener,
      http1: undefined,
      http2: new ServerConnections(this.#handler, listener, {
        ...options,
        minPingIntervalMs: options.minPingIntervalMs ?? 5 * 60 * 1000,
        allowPingsWithoutCalls: options.allowPingsWithoutCalls ?? false,
      }),
      begin: (context) => {
        tellUnmet();
        this.#handler.begin(context);
      },
    });
  }

  /** The health of the server and its services, as `grpc.health.v1` reports it. */
  get health(): Health {
    return this.#handler.health;
  }

  /**
   * Starts to listen; resolves when calls are accepted.
   *
   * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED, CLEW_TRANSPORT_STARTED.
   */
  async start(): Promise<void> {
    await this.#listener.start();
  }

  /** Reports from now on, by `grpc.health.v1`, that the server is not ready; it continues to answer calls until it stops. */
  drain(): void {
    this.health.drain();
  }

  /**
   * Accepts no more calls and waits for the open ones. Calls that are still open when the signal aborts are cancelled; without a
   * signal, none are.
   *
   * @throws CLEW_TRANSPORT_STOP_SIGNAL
   */
  async stop(signal?: AbortSignal): Promise<void> {
    const cutOff = resolveStopSignal(signal);
    this.#handler.drain();
    await this.#listener.stop(cutOff, () =>
      this.#handler.cancel(new ServiceError(503, "SERVER_STOPPED", "the server is stopping")),
    );
  }

  /**
   * Returns the URL of the server: `grpc://127.0.0.1:9000`, `grpcs://` with TLS.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED before {@link start}.
   */
  endpoint(): URL {
    return this.#listener.endpoint("grpc");
  }
}
