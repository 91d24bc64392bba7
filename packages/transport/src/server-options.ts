import { checkOptionNames } from "@clew/options";
import { optionError } from "./errors.ts";
import type { GrpcHandlerOptions } from "./grpc/handler.ts";
import type { HttpHandlerOptions } from "./http/handler-options.ts";
import type { HealthRouteOptions } from "./http/health-routes.ts";
import type { ServerConnectionOptions } from "./http2/server-connections.ts";
import type { ListenerOptions } from "./listener.ts";
import type { ProtocolName } from "./web-protocols.ts";

/**
 * What HttpServer and GrpcServer take. Services, middleware, `timeoutMs` (also of `methods`) and `codecs` are for all protocols; `routes` and
 * `bodyLimitBytes` for HTTP/JSON only; `maxMessageBytes`, `compression` and `reflection` for gRPC, Connect and gRPC-Web;
 * `filters` for all but gRPC. Without `maxConnectionIdleMs` idle connections of HTTP/1.1 are closed, and those of HTTP/2 are not.
 */
export interface ServerOptions
  extends ListenerOptions,
    HttpHandlerOptions,
    Omit<GrpcHandlerOptions, "health" | "methods">,
    ServerConnectionOptions {
  /**
   * Serve `grpc.health.v1.Health`, without any middleware, unless `services` has it; unless this is `false`. With `true` or options,
   * `/healthz` and `/readyz` over HTTP as well, see HttpServerOptions. Default: gRPC's only.
   */
  health?: boolean | HealthRouteOptions;
  /** What to speak to services: "http" is HTTP/JSON. Default: "http", "grpc", "connect" and "grpc-web". */
  protocols?: readonly ProtocolName[];
}

/** All that any server takes: servers may share their options, and pass over what is of another protocol. */
const serverOptions: Readonly<Record<keyof ServerOptions, true>> = {
  address: true,
  listener: true,
  tls: true,
  headerLimitBytes: true,
  headerTimeoutMs: true,
  requestTimeoutMs: true,
  maxConnectionIdleMs: true,
  logger: true,
  services: true,
  middleware: true,
  filters: true,
  routes: true,
  prefix: true,
  methods: true,
  defaultRoutes: true,
  trailingSlash: true,
  notFound: true,
  methodNotAllowed: true,
  health: true,
  timeoutMs: true,
  bodyLimitBytes: true,
  codecs: true,
  json: true,
  multipart: true,
  events: true,
  webSocket: true,
  streamDrainMs: true,
  maxMessageBytes: true,
  compression: true,
  reflection: true,
  maxConcurrentCalls: true,
  maxConnectionAgeMs: true,
  maxConnectionAgeGraceMs: true,
  keepaliveTimeMs: true,
  keepaliveTimeoutMs: true,
  minPingIntervalMs: true,
  allowPingsWithoutCalls: true,
  protocols: true,
};

/** @throws CLEW_TRANSPORT_OPTION for an option that no server has */
export function checkServerOptionNames(options: object): void {
  checkOptionNames("a server", options, Object.keys(serverOptions), optionError);
}
