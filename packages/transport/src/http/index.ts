export { HttpClient, type HttpClientOptions } from "./client.ts";
export type { Filter, RawHandler, Route } from "./handler.ts";
export { HttpServer, type HttpServerOptions } from "./server.ts";

// For library authors.

export { resolveHttpClientOptions } from "./client.ts";
