export { HttpClient, type HttpClientOptions } from "./client.ts";
export { type CompressionOptions, type ContentEncoding, compression } from "./filter/compression.ts";
export { type AllowedOrigin, type CorsOptions, cors } from "./filter/cors.ts";
export { type StaticFilesOptions, staticFiles } from "./filter/static-files.ts";
export type { HttpMethodOptions } from "./method-options.ts";
export { Redirect } from "./redirect.ts";
export { redirect, setStatus } from "./reply-status.ts";
export type { Filter, RawHandler, Route, RouteGroup, RouteInfo } from "./route.ts";
export { HttpServer, type HttpServerOptions } from "./server.ts";

// For library authors.

export { resolveHttpClientOptions } from "./client.ts";
