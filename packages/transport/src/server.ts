import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";
import { type Peer, ServiceError } from "@clew/rpc";
import { createGrpcHandler, type GrpcHandler } from "./grpc/handler.ts";
import type { Health } from "./health.ts";
import { HttpHandler } from "./http/handler.ts";
import { Http1Connections } from "./http/http1-connections.ts";
import type { RouteInfo } from "./http/route.ts";
import { ServerConnections } from "./http2/server-connections.ts";
import { Listener, resolveListenerOptions } from "./listener.ts";
import { checkNamedOperations } from "./named-operations.ts";
import { checkServerOptions, protocolNames, type ServerOptions } from "./server-options.ts";
import { resolveStopSignal } from "./stop-signal.ts";
import type { StreamAcceptor } from "./translated-stream.ts";
import { WebProtocols } from "./web-protocols.ts";

/**
 * Serves all protocols on one port: HTTP/JSON, Connect and gRPC-Web over HTTP/1.1 and HTTP/2, and gRPC over HTTP/2. The version
 * of HTTP is recognized by the first bytes or by ALPN, the protocol by the headers.
 */
export class Server {
  readonly #http: HttpHandler;
  readonly #grpc: GrpcHandler;
  readonly #speaksGrpc: boolean;
  readonly #listener: Listener;

  /**
   * Compiles every route.
   *
   * @throws a coded error (CLEW_TRANSPORT_...) for an invalid option, rule or path, and for conflicting routes
   */
  constructor(options: ServerOptions = {}) {
    checkServerOptions(options);
    const resolved = resolveListenerOptions(options);
    const grpc = createGrpcHandler({ ...options, health: options.health !== false });
    const protocols = options.protocols ?? protocolNames;
    const web = new WebProtocols(grpc, protocols);
    const http = new HttpHandler(
      protocols.includes("http") ? options : { ...options, services: [], methods: {} },
      web,
      grpc.health,
    );
    this.#http = http;
    this.#grpc = grpc;
    // Requests that filters must see go through the HTTP handler, and from there to the same protocols.
    const hasFilters = (options.filters ?? []).length > 0;
    this.#speaksGrpc = protocols.includes("grpc");
    const find = (fields: HeaderFields): StreamAcceptor => {
      if (isGrpc(fields)) return this.#speaksGrpc ? grpc : http;
      return (hasFilters ? undefined : web.find(fields)) ?? http;
    };
    const handler = {
      accept: (stream: ServerStream, fields: HeaderFields, peer: Peer): StreamListener =>
        find(fields).accept(stream, fields, peer),
      refuse: (stream: ServerStream, fields: HeaderFields): void =>
        isGrpc(fields) ? grpc.refuse(stream, fields) : http.refuse(stream),
    };
    const tellUnmet = checkNamedOperations(options);
    this.#listener = new Listener({
      server: "Server",
      options: resolved,
      http1: new Http1Connections(http, resolved),
      http2: new ServerConnections(
        handler,
        { ...resolved, maxConnectionIdleMs: options.maxConnectionIdleMs ?? 0 },
        options,
      ),
      begin: (context) => {
        tellUnmet();
        http.begin(context);
        grpc.begin(context);
      },
    });
  }

  /** The health of the server and its services, as `grpc.health.v1` reports it. */
  get health(): Health {
    return this.#grpc.health;
  }

  /** Returns every HTTP/JSON route of the server, services before raw routes, in the order in which they were given. */
  routes(): readonly RouteInfo[] {
    return this.#http.routes;
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
   * Reports from now on, by its readiness endpoint and `grpc.health.v1`, that the server is not ready; it continues to answer
   * until it stops.
   */
  drain(): void {
    this.health.drain();
  }

  /**
   * Accepts no more connections, and resolves when every request is answered. When `signal` aborts, requests that are still open
   * are cut off; without a signal, none are.
   *
   * @throws CLEW_TRANSPORT_STOP_SIGNAL
   */
  async stop(signal?: AbortSignal): Promise<void> {
    const cutOff = resolveStopSignal(signal);
    this.#grpc.drain();
    this.#http.drain();
    await this.#listener.stop(cutOff, () => {
      this.#grpc.cancel(new ServiceError(503, "SERVER_STOPPED", "the server is stopping"));
      this.#http.cancel();
    });
  }

  /**
   * Returns the URL of the server over HTTP: `http://127.0.0.1:8000`, `https://` with TLS.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED
   */
  endpoint(): URL {
    return this.#listener.endpoint("http");
  }

  /**
   * Returns the URL of the server for each protocol: {@link endpoint}, and the same as `grpc://` or `grpcs://` if it speaks
   * gRPC.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED
   */
  endpoints(): URL[] {
    return this.#speaksGrpc ? [this.endpoint(), this.#listener.endpoint("grpc")] : [this.endpoint()];
  }
}

/** Whether a request has the content type of gRPC, which is not that of gRPC-Web. */
function isGrpc(fields: HeaderFields): boolean {
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] === "content-type") return /^application\/grpc(?:[+;\s]|$)/i.test(fields[at + 1]!);
  }
  return false;
}
