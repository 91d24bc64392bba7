import { type AddressInfo, createServer, type Server as NetServer } from "node:net";
import { createServer as createSecureServer, type TlsOptions } from "node:tls";
import { current } from "@clew/context";
import { alpnProtocol } from "@clew/http2";
import { ServiceError } from "@clew/rpc";
import { type Address, endpointOf, listen, parseAddress } from "../address.ts";
import { serverAlreadyStarted, serverNotStarted } from "../errors.ts";
import { createGrpcHandler, type GrpcHandler, type GrpcHandlerOptions } from "./handler.ts";
import type { Health } from "./health.ts";
import { type ServerConnectionOptions, ServerConnections } from "./server-connections.ts";

export interface GrpcServerOptions extends GrpcHandlerOptions, ServerConnectionOptions {
  /** Where to listen: `":9000"` for all interfaces, `"127.0.0.1:9000"`, `":0"` for any free port. Default: ":0". */
  address?: string;
  /**
   * Speak TLS, with key, certificate and whom to trust as `node:tls` takes them; `requestCert` and `ca` make it mutual.
   * Default: plain TCP.
   */
  tls?: TlsOptions;
}

interface ResolvedOptions {
  readonly address: Address;
  readonly tls: TlsOptions | undefined;
}

function resolveGrpcServerOptions(options: GrpcServerOptions): ResolvedOptions {
  return { address: parseAddress(options.address ?? ":0"), tls: options.tls };
}

/** Serves gRPC over HTTP/2: a listener, its connections, and the handler that answers their streams. */
export class GrpcServer {
  readonly #options: ResolvedOptions;
  readonly #handler: GrpcHandler;
  readonly #connections: ServerConnections;
  #listener: NetServer | undefined;
  #endpoint: URL | undefined;

  /** @throws CLEW_TRANSPORT_ADDRESS, CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_SERVICE_CONFLICT. */
  constructor(options: GrpcServerOptions = {}) {
    this.#options = resolveGrpcServerOptions(options);
    this.#handler = createGrpcHandler(options);
    this.#connections = new ServerConnections(this.#handler, options);
  }

  /** How the server and its services are, as `grpc.health.v1` tells it. */
  get health(): Health {
    return this.#handler.health;
  }

  /**
   * Listens; resolves when calls are accepted.
   *
   * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED, CLEW_TRANSPORT_STARTED.
   */
  async start(): Promise<void> {
    if (this.#listener !== undefined) throw serverAlreadyStarted("GrpcServer");
    const { address, tls } = this.#options;
    this.#handler.begin(current());
    this.#listener = this.#createListener(tls);
    await listen(this.#listener, address);
    // A failed accept (out of file descriptors) must not end the process.
    this.#listener.on("error", () => {});
    this.#endpoint = endpointOf(tls === undefined ? "grpc" : "grpcs", this.#listener.address() as AddressInfo, address);
  }

  /** Accepts no more calls and waits for the open ones; those still open when the signal aborts are cancelled. */
  async stop(signal: AbortSignal): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    const cutOff = (): void => {
      this.#handler.cancel(new ServiceError(503, "SERVER_STOPPED", "the server stops"));
      this.#connections.destroy();
    };
    // It is closed when the last connection is.
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
    this.#handler.drain();
    this.#connections.drain();
    if (signal.aborted) cutOff();
    else signal.addEventListener("abort", cutOff, { once: true });
    await closed;
    signal.removeEventListener("abort", cutOff);
  }

  /**
   * Where it is reached: `grpc://127.0.0.1:9000`, `grpcs://` with TLS.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED before {@link start}.
   */
  endpoint(): URL {
    if (this.#endpoint === undefined) throw serverNotStarted("GrpcServer");
    return this.#endpoint;
  }

  #createListener(tls: TlsOptions | undefined): NetServer {
    if (tls === undefined) return createServer({ noDelay: true }, (socket) => this.#connections.add(socket));
    return createSecureServer({ ...tls, noDelay: true, ALPNProtocols: [alpnProtocol] }, (socket) =>
      this.#connections.add(socket),
    );
  }
}
