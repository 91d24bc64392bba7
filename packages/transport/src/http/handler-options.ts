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
  /** The services to serve. Streams of replies go as server-sent events, streams of requests as WebSocket. Default: none. */
  services?: readonly Service[];
  /** Wrapped around every call of a service and every raw route, the first outermost. Default: none. */
  middleware?: readonly Middleware[];
  /** Wrapped around every request, the first outermost. Default: none. */
  filters?: readonly Filter[];
  /** Paths outside of any service, and groups of them. Default: none. */
  routes?: readonly (Route | RouteGroup)[];
  /** What comes before every path, those of services and routes alike: `/shop`. Default: nothing. */
  prefix?: string;
  /**
   * Options of single methods, by operation (`"/shop.Orders/Place"`) or for all of a service
   * (`"/shop.Orders/*"`). Default: none.
   */
  methods?: MethodEntries<HttpMethodOptions>;
  /**
   * Serve a method without a google.api.http rule as `POST /package.Service/Method`, with the request as
   * its body. Default: true.
   */
  defaultRoutes?: boolean;
  /**
   * What becomes of a path that no route knows, and one does with a slash more or less at its end: `"redirect"` sends the caller
   * there with 308, which keeps verb and body; `"strict"` is 404. Default: `"redirect"`.
   */
  trailingSlash?: "redirect" | "strict";
  /** Answers what no route knows. Default: 404 NOT_FOUND in the error shape. */
  notFound?: RawHandler;
  /**
   * Answers a path that a route knows with another verb; `Allow` is set already. Default: 405
   * METHOD_NOT_ALLOWED in the error shape.
   */
  methodNotAllowed?: RawHandler;
  /**
   * Tell at paths of their own whether the process is alive (`/healthz`) and the server ready (`/readyz`). They are outside of
   * `prefix` and have no middleware; filters see them. Default: false.
   */
  health?: boolean | HealthRouteOptions;
  /** How long a unary call of a service may take, in milliseconds; 0 for no end. Raw routes have their own. Default: 1000. */
  timeoutMs?: number;
  /** The longest body a call may send, or message over a WebSocket, in bytes, also after decompression. Default: 4 MiB. */
  bodyLimitBytes?: number;
  /** How long a whole request may take to arrive, in milliseconds; 0 for no end. Default: 300_000. */
  requestTimeoutMs?: number;
  /** How bodies are written, the first where the caller does not care. Default: JSON, protobuf, HTML form. */
  codecs?: readonly Codec[];
  /** How JSON is written, in the place of the codec `json`. Default: as that has it. */
  json?: JsonCodecOptions;
  /** What a `multipart/form-data` body may have; all of it together is a body like any other. Default: see MultipartLimits. */
  multipart?: MultipartLimits;
  /** How long all headers of a request may be together, in bytes; told to who goes over it. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** How streams of replies go. Default: see EventStreamOptions. */
  events?: EventStreamOptions;
  /** How streams of requests come in. Default: see WebSocketOptions. */
  webSocket?: WebSocketOptions;
  /**
   * How long an open stream of replies may go on once the server stops, in milliseconds; then it fails with 503 SERVER_STOPPED,
   * so that its reader goes elsewhere. Calls that answer with one message end with the drain. Default: 5000.
   */
  streamDrainMs?: number;
  /** Where a handler's failure that is no ServiceError is told, unless a middleware did. Default: one named `clew.server`, see ListenerOptions. */
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
