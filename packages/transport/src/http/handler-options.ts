import type { Logger } from "@clew/log";
import { type Codec, checkServices, type JsonCodecOptions, type Middleware, type Service } from "@clew/rpc";
import { defaultLogger } from "../default-logger.ts";
import { optionInvalid } from "../errors.ts";
import type { MethodEntries } from "../method-entries.ts";
import { defaultCodecs } from "./body-codec.ts";
import {
  type HealthRouteOptions,
  type ResolvedHealthRouteOptions,
  resolveHealthRouteOptions,
} from "./health-routes.ts";
import { checkMethodOptions, type HttpMethodOptions, withJson } from "./method-options.ts";
import { type MultipartLimits, type ResolvedMultipartLimits, resolveMultipartLimits } from "./multipart-parser.ts";
import { checkFilter, type Filter, type RawHandler, type Route, type RouteGroup } from "./route.ts";
import { type EventStreamOptions, type ResolvedEventStreamOptions, resolveEventStreamOptions } from "./sse/options.ts";
import { parseTemplate } from "./template.ts";
import { type ResolvedWebSocketOptions, resolveWebSocketOptions, type WebSocketOptions } from "./websocket/options.ts";

export interface HttpHandlerOptions {
  /**
   * The services to serve. Streams of replies are sent as server-sent events; streams of requests come over a WebSocket.
   * Default: none.
   */
  services?: readonly Service[];
  /** Middleware around every call of a service and every raw route; the first is the outermost. Default: none. */
  middleware?: readonly Middleware[];
  /** Filters around every request; the first is the outermost. Default: none. */
  filters?: readonly Filter[];
  /** Raw routes, outside of any service, and groups of them. Default: none. */
  routes?: readonly (Route | RouteGroup)[];
  /** A prefix of every path, of services and routes alike: `/shop`. Default: none. */
  prefix?: string;
  /**
   * Options of single methods, by operation (`"/shop.Orders/Place"`) or for all methods of a service (`"/shop.Orders/*"`).
   * Default: none.
   */
  methods?: MethodEntries<HttpMethodOptions>;
  /**
   * Serve a method without a google.api.http rule as `POST /package.Service/Method`, with the request as its body. Default:
   * true.
   */
  defaultRoutes?: boolean;
  /**
   * The answer to a path that matches a route only when a slash at its end is added or removed. `"redirect"` redirects the
   * caller with 308, which keeps verb and body; `"strict"` answers 404. Default: `"redirect"`.
   */
  trailingSlash?: "redirect" | "strict";
  /** Answers requests that match no route. Default: 404 NOT_FOUND in the error shape. */
  notFound?: RawHandler;
  /**
   * Answers requests whose path matches a route with another verb; `Allow` is set already. Default: 405 METHOD_NOT_ALLOWED in
   * the error shape.
   */
  methodNotAllowed?: RawHandler;
  /**
   * Serve paths that report whether the process is alive (`/healthz`) and whether the server is ready (`/readyz`). They are
   * outside of `prefix` and have no middleware; filters see them. Default: false.
   */
  health?: boolean | HealthRouteOptions;
  /**
   * How long a unary call of a service may take, in milliseconds; 0 for no limit. Raw routes have their own option. Default:
   * 1000.
   */
  timeoutMs?: number;
  /** The largest request body or WebSocket message, in bytes, also after decompression. Default: 4 MiB. */
  bodyLimitBytes?: number;
  /** How long a whole request may take to arrive, in milliseconds; 0 for no limit. Default: 300_000. */
  requestTimeoutMs?: number;
  /** The codecs for bodies; the first one if the caller has no preference. Default: JSON, protobuf, HTML form. */
  codecs?: readonly Codec[];
  /** Options for JSON, which replace those of the codec `json`. Default: those of that codec. */
  json?: JsonCodecOptions;
  /**
   * Limits for the parts of a `multipart/form-data` body. As a whole it is limited like any other body. Default: see
   * MultipartLimits.
   */
  multipart?: MultipartLimits;
  /** The maximum size of all headers of a request together, in bytes; the error names it. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** Options for streams of replies. Default: see EventStreamOptions. */
  events?: EventStreamOptions;
  /** Options for streams of requests. Default: see WebSocketOptions. */
  webSocket?: WebSocketOptions;
  /**
   * How long an open stream of replies may continue after the server begins to stop, in milliseconds. Then it fails with 503
   * SERVER_STOPPED, so that its reader connects to another server. Calls that answer with one message end with the drain.
   * Default: 5000.
   */
  streamDrainMs?: number;
  /**
   * Logs errors of handlers that are not a ServiceError, unless a middleware logged them. Default: a logger named `clew.server`, see
   * ListenerOptions.
   */
  logger?: Logger;
}

export type ResolvedHttpHandlerOptions = Readonly<
  Required<
    Omit<HttpHandlerOptions, "json" | "health" | "notFound" | "methodNotAllowed" | "events" | "webSocket" | "multipart">
  > & {
    multipart: ResolvedMultipartLimits;
    health: ResolvedHealthRouteOptions | undefined;
    notFound: RawHandler | undefined;
    methodNotAllowed: RawHandler | undefined;
    events: ResolvedEventStreamOptions;
    webSocket: ResolvedWebSocketOptions;
  }
>;

/** @throws CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_TEMPLATE */
export function resolveHttpHandlerOptions(options: HttpHandlerOptions = {}): ResolvedHttpHandlerOptions {
  const resolved: ResolvedHttpHandlerOptions = {
    services: checkServices(options.services ?? []),
    middleware: options.middleware ?? [],
    filters: options.filters ?? [],
    routes: options.routes ?? [],
    prefix: options.prefix ?? "",
    methods: options.methods ?? {},
    defaultRoutes: options.defaultRoutes ?? true,
    trailingSlash: options.trailingSlash ?? "redirect",
    health: resolveHealthRouteOptions(options.health ?? false),
    notFound: options.notFound,
    methodNotAllowed: options.methodNotAllowed,
    timeoutMs: options.timeoutMs ?? 1000,
    bodyLimitBytes: options.bodyLimitBytes ?? 4 * 1024 * 1024,
    requestTimeoutMs: options.requestTimeoutMs ?? 300_000,
    codecs: withJson(options.codecs ?? defaultCodecs, options.json),
    multipart: resolveMultipartLimits(options.multipart),
    headerLimitBytes: options.headerLimitBytes ?? 16 * 1024,
    events: resolveEventStreamOptions(options.events),
    webSocket: resolveWebSocketOptions(options.webSocket),
    streamDrainMs: options.streamDrainMs ?? 5000,
    logger: options.logger ?? defaultLogger(),
  };
  checkMethodOptions(resolved);
  for (const [index, filter] of resolved.filters.entries()) checkFilter(filter, `filters[${index}]`);
  const { prefix } = resolved;
  if (prefix !== "" && (prefix.endsWith("/") || parseTemplate(prefix, "option prefix").variables.length > 0)) {
    throw optionInvalid("prefix", `"${prefix}"`, 'a path without variables or a slash at its end, like "/shop"');
  }
  return resolved;
}
