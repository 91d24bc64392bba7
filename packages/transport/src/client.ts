import type { DescService } from "@bufbuild/protobuf";
import { type Client, createServiceClient, type ServiceClient, type ServiceClientOptions } from "@clew/rpc";
import { schemeUnknown } from "./errors.ts";
import { GrpcClient, type GrpcClientOptions } from "./grpc/index.ts";
import { HttpClient, type HttpClientOptions } from "./http/index.ts";
import { MemoryClient, type MemoryServer } from "./memory/index.ts";

export interface ClientOptions extends ServiceClientOptions {
  /** Whom to call, and how: `"http://127.0.0.1:8000"`, `"https://…"`, `"grpc://127.0.0.1:9000"`, `"grpcs://…"`. */
  endpoint: string | URL;
  /** What only HTTP knows. Default: see HttpClientOptions. */
  http?: Omit<HttpClientOptions, "endpoint">;
  /** What only gRPC knows. Default: see GrpcClientOptions. */
  grpc?: Omit<GrpcClientOptions, "endpoint">;
}

export interface MemoryClientOptions extends ServiceClientOptions {
  /** Whom to call, with no socket in between: a server in the same process, in a test. */
  server: MemoryServer;
}

const schemes = ["http", "https", "grpc", "grpcs"] as const;

/**
 * A client of a service, over the protocol that the endpoint's scheme names, or in memory. It connects at the first call.
 *
 * @throws CLEW_TRANSPORT_SCHEME, CLEW_TRANSPORT_ENDPOINT, CLEW_TRANSPORT_OPTION
 */
export function createClient<S extends DescService>(
  desc: S,
  options: ClientOptions | MemoryClientOptions,
): ServiceClient<S> {
  const client = "server" in options ? new MemoryClient(options.server) : openClient(options);
  return createServiceClient(desc, client, options);
}

function openClient({ endpoint, http, grpc }: ClientOptions): Client {
  const text = String(endpoint);
  switch (/^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()) {
    case "http":
    case "https":
      return new HttpClient({ ...http, endpoint });
    case "grpc":
    case "grpcs":
      return new GrpcClient({ ...grpc, endpoint });
    default:
      throw schemeUnknown(text, schemes);
  }
}
