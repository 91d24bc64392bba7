import {
  aBoolean,
  aFunction,
  aLogger,
  anObject,
  anything,
  aText,
  checkOptions,
  isObject,
  kind,
  listOf,
  millisecondsFrom,
  numberFrom,
  type OptionChecks,
  oneOf,
  optionsWith,
  orBoolean,
  recordOf,
  wholeNumberFrom,
} from "@clew/options";
import { optionError, optionInAddress } from "./errors.ts";
import type { GrpcHandlerOptions } from "./grpc/handler.ts";
import type { HttpHandlerOptions } from "./http/handler-options.ts";
import type { HealthRouteOptions } from "./http/health-routes.ts";
import type { MultipartLimits } from "./http/multipart-parser.ts";
import type { EventStreamOptions } from "./http/sse/options.ts";
import type { WebSocketOptions } from "./http/websocket/options.ts";
import type { ServerConnectionOptions } from "./http2/server-connections.ts";
import type { ListenerOptions } from "./listener.ts";

/** What a server of several protocols may speak. */
export const protocolNames = ["http", "grpc", "connect", "grpc-web"] as const;

export type ProtocolName = (typeof protocolNames)[number];

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
  checks: recordOf("functions by their names", aFunction),
  checkTimeoutMs: millisecondsFrom(0),
});

const aListener = kind(
  "a server of node:net, or { fd } with the number of an open socket",
  (given) =>
    isObject(given) && ("listening" in given || ("fd" in given && Number.isInteger(given.fd) && Number(given.fd) >= 0)),
);

const anOrigin = kind(
  '"*" or an origin like "https://shop.example.com"',
  (given) => typeof given === "string" && (given === "*" || URL.parse(given)?.origin === given),
);

/**
 * All that any server takes: servers may share their options, and pass over what is of another protocol. What is anything has
 * a reader with an error of its own; a time that is a number may be more than a timer can hold.
 */
const serverOptionChecks: OptionChecks<ServerOptions> = {
  address: kind('a string such as ":8000"', (given) => typeof given === "string"),
  listener: aListener,
  tls: anObject,
  headerLimitBytes: numberFrom(1, 2 ** 31 - 1),
  headerTimeoutMs: millisecondsFrom(0),
  requestTimeoutMs: millisecondsFrom(0),
  maxConnectionIdleMs: millisecondsFrom(0),
  logger: aLogger,
  services: anything,
  middleware: listOf("a list of middlewares", anything),
  filters: listOf("a list of filters", anything),
  routes: listOf("a list of routes", anObject),
  prefix: aText,
  methods: recordOf("options by operation", anObject),
  defaultRoutes: aBoolean,
  trailingSlash: oneOf("redirect", "strict"),
  notFound: aFunction,
  methodNotAllowed: aFunction,
  health: orBoolean(someHealthChecks),
  timeoutMs: numberFrom(0),
  bodyLimitBytes: numberFrom(0),
  codecs: anything,
  json: anything,
  multipart: optionsWith<MultipartLimits>({
    partLimit: numberFrom(0),
    partLimitBytes: numberFrom(0),
    headerLimitBytes: numberFrom(0),
    nameLimitBytes: numberFrom(0),
  }),
  events: optionsWith<EventStreamOptions>({ heartbeatMs: millisecondsFrom(0), retryMs: wholeNumberFrom(0) }),
  webSocket: optionsWith<WebSocketOptions>({
    origins: listOf("a list of origins", anOrigin),
    heartbeatMs: millisecondsFrom(0),
    compression: aBoolean,
  }),
  streamDrainMs: millisecondsFrom(0),
  maxMessageBytes: numberFrom(1),
  compression: oneOf("gzip", "br", "identity"),
  reflection: aBoolean,
  maxConcurrentCalls: numberFrom(1),
  maxUnfinishedBytes: numberFrom(0, 2 ** 31 - 1),
  maxUnsentBytes: numberFrom(0, 2 ** 31 - 1),
  maxConnectionAgeMs: numberFrom(0),
  maxConnectionAgeGraceMs: numberFrom(0),
  keepaliveTimeMs: numberFrom(0),
  keepaliveTimeoutMs: numberFrom(1),
  minPingIntervalMs: numberFrom(0),
  allowPingsWithoutCalls: aBoolean,
  protocols: listOf("a list of protocols", oneOf(...protocolNames)),
};

/** @throws CLEW_TRANSPORT_OPTION for an option that no server has, and for a value that will not do */
export function checkServerOptions(options: object): void {
  for (const name of ["host", "port"]) if (name in Object(options)) throw optionInAddress(name);
  checkOptions<ServerOptions>("a server", options, serverOptionChecks, optionError);
}
