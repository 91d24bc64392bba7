import type { DescService } from "@bufbuild/protobuf";
import { checkOptionNames, pickOptions, tell } from "@clew/options";
import { BalancedClient, type BalancingOptions, balancingChecks, isResolvable } from "@clew/registry";
import {
  type Client,
  createServiceClient,
  descInvalid,
  type ServiceClient,
  type ServiceClientOptions,
  serviceClientChecks,
} from "@clew/rpc";
import { ConnectClient, type ConnectClientOptions } from "./connect/index.ts";
import { optionElsewhere, optionError, optionInvalid, schemeUnknown } from "./errors.ts";
import { GrpcClient, type GrpcClientOptions } from "./grpc/index.ts";
import { GrpcWebClient, type GrpcWebClientOptions } from "./grpc-web/index.ts";
import { HttpClient, type HttpClientOptions } from "./http/index.ts";
import { MemoryClient, type MemoryServer } from "./memory/index.ts";

export interface ClientOptions extends ServiceClientOptions, BalancingOptions {
  /**
   * The server to call, by its URL: `"http://127.0.0.1:8000"`, `"https://…"`, `"grpc://127.0.0.1:9000"`, `"grpcs://…"`,
   * `"http+unix:/run/greeter.sock"`, `"grpc+unix:…"` (or only `"unix:…"`); or a target that is resolved to servers:
   * `"discovery:///helloworld"`, `"direct:///10.0.0.5:9000,10.0.0.6:9000"`, `"dns:///helloworld:9000"`.
   */
  endpoint: string | URL;
  /**
   * The protocol for an `http://` or `https://` endpoint; "http" is HTTP/JSON. With another protocol, the http endpoints of a
   * discovered service are called. Default: "http".
   */
  protocol?: "http" | "connect" | "grpc-web";
  /** Options for HTTP/JSON only. Default: see HttpClientOptions. */
  http?: Omit<HttpClientOptions, "endpoint">;
  /** Options for gRPC only. Default: see GrpcClientOptions. */
  grpc?: Omit<GrpcClientOptions, "endpoint">;
  /** Options for Connect only. Default: see ConnectClientOptions. */
  connect?: Omit<ConnectClientOptions, "endpoint">;
  /** Options for gRPC-Web only. Default: see GrpcWebClientOptions. */
  grpcWeb?: Omit<GrpcWebClientOptions, "endpoint">;
}

export interface MemoryClientOptions extends ServiceClientOptions {
  /** The server to call without a socket: a server in the same process, for tests. */
  server: MemoryServer;
}

/**
 * Creates a client of a service. The scheme of the endpoint selects the protocol; with `server` the call stays in memory. The
 * client connects at the first call.
 *
 * @throws CLEW_RPC_DESC, CLEW_TRANSPORT_SCHEME, CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION
 */
export function createClient<S extends DescService>(
  desc: S,
  options: ClientOptions | MemoryClientOptions,
): ServiceClient<S> {
  checkClient(desc, options);
  const client = "server" in options ? new MemoryClient(options.server) : openClient(options);
  return createServiceClient(desc, client, serviceOptionsOf(options));
}

/**
 * Creates a client as {@link createClient} does and waits until there is a node to call, for programs that should not start
 * without one. With a single endpoint it resolves at once: there is nothing to discover, and the client connects at the first
 * call.
 *
 * @param signal ends the wait; without it the wait ends after ten seconds
 * @throws ServiceError 503 NODE_NOT_FOUND when the signal aborts first; its message says why there is no node
 */
export async function createReadyClient<S extends DescService>(
  desc: S,
  options: ClientOptions,
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<ServiceClient<S>> {
  checkClient(desc, options);
  const client = openClient(options);
  try {
    const functions = createServiceClient(desc, client, serviceOptionsOf(options));
    if (client instanceof BalancedClient) await client.whenReady(signal);
    return functions;
  } catch (error) {
    await client.close();
    throw error;
  }
}

const clientOptions: Readonly<Record<keyof ClientOptions | keyof MemoryClientOptions, true>> = {
  endpoint: true,
  server: true,
  protocol: true,
  http: true,
  grpc: true,
  connect: true,
  grpcWeb: true,
  middleware: true,
  timeoutMs: true,
  discovery: true,
  subset: true,
  clientId: true,
  dnsRefreshMs: true,
  logger: true,
  lookup: true,
  random: true,
  sleep: true,
  balancer: true,
  filters: true,
  ejection: true,
  now: true,
  readyTimeoutMs: true,
};

type Names<T> = Readonly<Record<keyof T, true>>;

const connectionNames = {
  codec: true,
  compression: true,
  headerLimitBytes: true,
  connectTimeoutMs: true,
  tls: true,
  authority: true,
  userAgent: true,
  keepaliveTimeMs: true,
  keepaliveTimeoutMs: true,
  keepaliveWithoutCalls: true,
} as const;

const httpNames: Names<NonNullable<ClientOptions["http"]>> = {
  ...connectionNames,
  http2: true,
  acceptEncoding: true,
  resumeStreams: true,
  bodyLimitBytes: true,
  connections: true,
};

const grpcWebNames: Names<NonNullable<ClientOptions["grpcWeb"]>> = {
  ...connectionNames,
  http2: true,
  connections: true,
  compressFromBytes: true,
  maxMessageBytes: true,
};

const protocolNames: { readonly [P in "http" | "grpc" | "connect" | "grpcWeb"]: Names<NonNullable<ClientOptions[P]>> } =
  {
    http: httpNames,
    grpc: { ...connectionNames, maxMessageBytes: true },
    connect: { ...grpcWebNames, useGet: true },
    grpcWeb: grpcWebNames,
  };

/** Options that belong to one protocol, and that a user may have put beside the endpoint. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  codec: ["http", "grpc", "connect", "grpcWeb"],
  tls: ["http", "grpc", "connect", "grpcWeb"],
  compression: ["http", "grpc", "connect", "grpcWeb"],
  http2: ["http", "connect", "grpcWeb"],
  userAgent: ["http", "grpc", "connect", "grpcWeb"],
  bodyLimitBytes: ["http"],
  maxMessageBytes: ["grpc", "connect", "grpcWeb"],
};

function checkClient(desc: DescService, options: object): void {
  if (desc?.kind !== "service") throw descInvalid("the service of a client", desc, "Orders");
  for (const [name, places] of Object.entries(elsewhere))
    if (name in Object(options)) throw optionElsewhere(name, places);
  checkOptionNames("a client", options, Object.keys(clientOptions), optionError);
  for (const [protocol, names] of Object.entries(protocolNames)) {
    const given = (options as Record<string, object | undefined>)[protocol];
    if (given !== undefined) checkOptionNames(`option ${protocol}`, given, Object.keys(names), optionError);
  }
}

function serviceOptionsOf(options: ServiceClientOptions): ServiceClientOptions {
  return pickOptions<ServiceClientOptions, ServiceClientOptions>(options, serviceClientChecks);
}

function openClient(options: ClientOptions): Client {
  const { endpoint, protocol, grpc } = options;
  const text = String(endpoint);
  if (isResolvable(text)) {
    return new BalancedClient({
      ...pickOptions<ClientOptions, BalancingOptions>(options, balancingChecks),
      target: options.protocol === undefined || text.includes("?") ? text : `${text}?scheme=http`,
      connect: (found) => openClient({ ...options, endpoint: found }),
    });
  }
  const [, scheme, unix] = /^(?:([a-z][a-z\d+.-]*):\/\/|((?:[a-z]+\+)?unix):)/i.exec(text) ?? [];
  switch ((scheme ?? unix)?.toLowerCase()) {
    case "http":
    case "https":
    case "http+unix":
    case "https+unix":
      return openHttpClient(options);
    case "grpc":
    case "grpcs":
    case "grpc+unix":
    case "grpcs+unix":
    case "unix":
      if (protocol !== undefined) {
        throw optionInvalid("protocol", tell(protocol), `omitted, because the endpoint "${text}" selects gRPC`);
      }
      return new GrpcClient({ ...grpc, endpoint });
    default:
      throw schemeUnknown(endpoint instanceof URL ? text : endpoint);
  }
}

function openHttpClient({ endpoint, protocol = "http", http, connect, grpcWeb }: ClientOptions): Client {
  switch (protocol) {
    case "http":
      return new HttpClient({ ...http, endpoint });
    case "connect":
      return new ConnectClient({ ...connect, endpoint });
    case "grpc-web":
      return new GrpcWebClient({ ...grpcWeb, endpoint });
    default:
      throw optionInvalid(
        "protocol",
        tell(protocol),
        '"http", "connect" or "grpc-web"; for gRPC use an endpoint with grpc://',
      );
  }
}
