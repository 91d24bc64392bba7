// For library authors.
export type { CallAnnouncement } from "./channels.ts";
export { type ClientOptions, createClient } from "./client.ts";
export type { TransportError } from "./errors.ts";
export { GrpcClient, type GrpcClientOptions, GrpcServer, type GrpcServerOptions } from "./grpc/index.ts";
export {
  type Filter,
  HttpClient,
  type HttpClientOptions,
  HttpServer,
  type HttpServerOptions,
  type RawHandler,
  type Route,
} from "./http/index.ts";
