import {
  aBoolean,
  aFunction,
  aLogger,
  anObject,
  anything,
  aText,
  checkOptions,
  isObject,
  listOf,
  type OptionChecks,
  optionsWith,
  recordOf,
} from "@clew/options";
import { optionError } from "./errors.ts";
import type { GrpcHandlerOptions } from "./grpc/handler.ts";
import type { HttpHandlerOptions } from "./http/handler-options.ts";
import type { HealthRouteOptions } from "./http/health-routes.ts";
import type { MultipartLimits } from "./http/multipart-parser.ts";
import type { EventStreamOptions } from "./http/sse/options.ts";
import type { WebSocketOptions } from "./http/websocket/options.ts";
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

const someHealthChecks = optionsWith<HealthRouteOptions>({
  live: aText,
  ready: aText,
  checks: anObject,
  checkTimeoutMs: anything,
});

/** All that any server takes: servers may share their options, and pass over what is of another protocol. */
const serverOptionChecks: OptionChecks<ServerOptions> = {
  address: anything,
  listener: anything,
  tls: anything,
  headerLimitBytes: anything,
  headerTimeoutMs: anything,
  requestTimeoutMs: anything,
  maxConnectionIdleMs: anything,
  logger: aLogger,
  services: anything,
  middleware: listOf("a list of middlewares", anything),
  filters: listOf("a list of filters", anything),
  routes: listOf("a list of routes", anObject),
  prefix: aText,
  methods: recordOf("options by operation", anObject),
  defaultRoutes: aBoolean,
  trailingSlash: anything,
  notFound: aFunction,
  methodNotAllowed: aFunction,
  health: (name, given) => (isObject(given) ? someHealthChecks(name, given) : undefined),
  timeoutMs: anything,
  bodyLimitBytes: anything,
  codecs: anything,
  json: anything,
  multipart: optionsWith<MultipartLimits>({
    partLimit: anything,
    partLimitBytes: anything,
    headerLimitBytes: anything,
    nameLimitBytes: anything,
  }),
  events: optionsWith<EventStreamOptions>({ heartbeatMs: anything, retryMs: anything }),
  webSocket: optionsWith<WebSocketOptions>({
    origins: listOf("a list of origins", aText),
    heartbeatMs: anything,
    compression: aBoolean,
  }),
  streamDrainMs: anything,
  maxMessageBytes: anything,
  compression: anything,
  reflection: aBoolean,
  maxConcurrentCalls: anything,
  maxConnectionAgeMs: anything,
  maxConnectionAgeGraceMs: anything,
  keepaliveTimeMs: anything,
  keepaliveTimeoutMs: anything,
  minPingIntervalMs: anything,
  allowPingsWithoutCalls: aBoolean,
  protocols: listOf("a list of protocols", anything),
};

/** @throws CLEW_TRANSPORT_OPTION for an option that no server has, and for a value that its reader does not look at itself */
export function checkServerOptions(options: object): void {
  checkOptions<ServerOptions>("a server", options, serverOptionChecks, optionError);
}
