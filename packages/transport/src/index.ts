export { type ClientOptions, createClient, createReadyClient, type MemoryClientOptions } from "./client.ts";
export { GrpcServer, type GrpcServerOptions } from "./grpc/index.ts";
export {
  type CompressionOptions,
  type CorsOptions,
  compression,
  cors,
  EventFeed,
  type EventStreamOptions,
  eventsOf,
  type Filter,
  type HealthRouteOptions,
  type HttpMethodOptions,
  HttpServer,
  type HttpServerOptions,
  type MultipartLimits,
  type MultipartPart,
  type RawHandler,
  type ReadMultipartOptions,
  Redirect,
  type Route,
  type RouteGroup,
  type RouteInfo,
  readMultipart,
  redirect,
  type StaticFilesOptions,
  setStatus,
  staticFiles,
  type WebSocketOptions,
} from "./http/index.ts";
export { MemoryServer, type MemoryServerOptions } from "./memory/index.ts";
export { Server } from "./server.ts";
export type { ProtocolName, ServerOptions } from "./server-options.ts";

// For library authors.

export type { CallAnnouncement } from "./channels.ts";
export { ConnectClient, type ConnectClientOptions } from "./connect/index.ts";
export type { TransportError } from "./errors.ts";
export { GrpcClient, type GrpcClientOptions } from "./grpc/index.ts";
export { GrpcWebClient, type GrpcWebClientOptions } from "./grpc-web/index.ts";
export { HttpClient, type HttpClientOptions } from "./http/index.ts";
export type { ListenerOptions } from "./listener.ts";
export { MemoryClient } from "./memory/index.ts";
