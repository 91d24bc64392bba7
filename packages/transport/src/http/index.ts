export { formCodec } from "./binding.ts";
export { defaultCodecs } from "./body-codec.ts";
export { HttpClient } from "./client.ts";
export type { HttpClientOptions } from "./client-options.ts";
export { type CompressionOptions, type ContentEncoding, compression } from "./filter/compression.ts";
export { type AllowedOrigin, type CorsOptions, cors } from "./filter/cors.ts";
export { type StaticFilesOptions, staticFiles } from "./filter/static-files.ts";
export type { HealthCheck, HealthRouteOptions } from "./health-routes.ts";
export type { HttpMethodOptions } from "./method-options.ts";
export { type MultipartPart, type ReadMultipartOptions, readMultipart } from "./multipart.ts";
export type { MultipartLimits } from "./multipart-parser.ts";
export { Redirect } from "./redirect.ts";
export { redirect, setStatus } from "./reply-status.ts";
export type { Filter, RawHandler, Route, RouteGroup, RouteInfo } from "./route.ts";
export { HttpServer, type HttpServerOptions } from "./server.ts";
export { type CallEvents, eventsOf } from "./sse/call-events.ts";
export { EventFeed, type EventFeedOptions } from "./sse/event-feed.ts";
export type { EventStreamOptions } from "./sse/options.ts";
export type { WebSocketOptions } from "./websocket/options.ts";

// For library authors.

export { mergeChunks } from "../merge-chunks.ts";
export { resolveStopSignal } from "../stop-signal.ts";
export { replyUnread, type UnreadReply } from "./linger.ts";
