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

/** The protocols that a Server can speak. */
export const protocolNames = ["http", "grpc", "connect", "grpc-web"] as const;

export type ProtocolName = (typeof protocolNames)[number];

/**
 * The options of HttpServer and GrpcServer together. Services, middleware, `timeoutMs` (also in `methods`) and `codecs` apply to all
 * protocols; `routes` and `bodyLimitBytes` to HTTP/JSON only; `maxMessageBytes`, `compression` and `reflection` to gRPC, Connect and
 * gRPC-Web; `filters` to all but gRPC. Without `maxConnectionIdleMs`, idle connections of HTTP/1.1 are closed, and those of HTTP/2 are
 * not.
 */
export interface ServerOptions
  extends ListenerOptions,
    HttpHandlerOptions,
    Omit<GrpcHandlerOptions, "health" | "methods">,
    ServerConnectionOptions {
  /**
   * Serve health checks. Unless it is `false`, `grpc.health.v1.Health` is served without any middleware, if `services` does not
   * contain it. With `true` or options, `/healthz` and `/readyz` are served over HTTP as well, see HttpServerOptions. Default:
   * gRPC's only.
   */
  health?: boolean | HealthRouteOptions;
  /** The protocols in which services are served; "http" is HTTP/JSON. Default: "http", "grpc", "connect" and "grpc-web". */
  protocols?: readonly ProtocolName[];
}

const someHealthChecks = optionsWith<HealthRouteOptions>({
  live: aText,
  ready: aText,
  checks: recordOf("an object of functions", aFunction),
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
 * The options of all servers: servers may share one options object, and ignore options of another protocol. An option checked
 * as `anything` is checked where it is read, with its own error; a time checked as a number may be larger than a timer can
 * hold.
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

/** @throws CLEW_TRANSPORT_OPTION for an option that no server has, and for an invalid value */
export function checkServerOptions(options: object): void {
  for (const name of ["host", "port"]) if (name in Object(options)) throw optionInAddress(name);
  checkOptions<ServerOptions>("a server", options, serverOptionChecks, optionError);
}
