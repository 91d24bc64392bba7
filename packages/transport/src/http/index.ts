export { HttpClient, type HttpClientOptions } from "./client.ts";
export { type Filter, HttpServer, type HttpServerOptions, type RawHandler, type Route } from "./server.ts";

// For library authors.

export { resolveHttpClientOptions } from "./client.ts";
export { resolveHttpServerOptions } from "./server.ts";
