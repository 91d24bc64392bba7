import type { Health } from "../health.ts";
import { type ServerConnectionOptions, ServerConnections } from "../http2/server-connections.ts";
import { Listener, type ListenerOptions, resolveListenerOptions } from "../listener.ts";
import { checkNamedOperations } from "../named-operations.ts";
import { checkServerOptions } from "../server-options.ts";
import { resolveStopSignal } from "../stop-signal.ts";
import { HttpHandler } from "./handler.ts";
import type { HttpHandlerOptions } from "./handler-options.ts";
import { Http1Connections } from "./http1-connections.ts";
import type { RouteInfo } from "./route.ts";

export interface HttpServerOptions extends ListenerOptions, HttpHandlerOptions, ServerConnectionOptions {}

/** Serves services as HTTP/JSON by their google.api.http rules, and raw routes, over HTTP/1.1 and HTTP/2. */
export class HttpServer {
  readonly #handler: HttpHandler;
  readonly #listener: Listener;

  /**
   * Compiles every route.
   *
   * @throws a coded error (CLEW_TRANSPORT_...) for an invalid option, rule or path, and for conflicting routes
   */
  constructor(options: HttpServerOptions = {}) {
    checkServerOptions(options);
    const resolved = resolveListenerOptions(options);
    const handler = new HttpHandler(options);
    this.#handler = handler;
    const tellUnmet = checkNamedOperations(options);
    this.#listener = new Listener({
      server: "HttpServer",
      options: resolved,
      http1: new Http1Connections(handler, resolved),
      http2: new ServerConnections(handler, resolved, options),
      begin: (context) => {
        tellUnmet();
        handler.begin(context);
      },
    });
  }

  /** The health of the server and its services, as its readiness endpoint reports it. */
  get health(): Health {
    return this.#handler.health;
  }

  /** Returns every HTTP route of the server, services before raw routes, in the order in which they were given. */
  routes(): readonly RouteInfo[] {
    return this.#handler.routes;
  }

  /**
   * Resolves when the server accepts requests.
   *
   * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED, CLEW_TRANSPORT_STARTED
   */
  async start(): Promise<void> {
    await this.#listener.start();
    this.health.start();
  }

  /**
   * Reports from now on, by its readiness endpoint, that the server is not ready; it continues to answer requests until it
   * stops.
   */
  drain(): void {
    this.health.drain();
  }

  /**
   * Accepts no more connections, closes idle ones and resolves when every request is answered. When `signal` aborts, requests
   * that are still open are cut off; without a signal, none are. A raw route that never ends its reply delays the stop until
   * then.
   *
   * @throws CLEW_TRANSPORT_STOP_SIGNAL
   */
  async stop(signal?: AbortSignal): Promise<void> {
    const cutOff = resolveStopSignal(signal);
    this.#handler.drain();
    await this.#listener.stop(cutOff, () => this.#handler.cancel());
  }

  /**
   * Returns the URL of the server: `http://127.0.0.1:8000`, `https://` with TLS.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED
   */
  endpoint(): URL {
    return this.#listener.endpoint("http");
  }
}
