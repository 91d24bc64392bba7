export { HttpClient, type HttpClientOptions } from "./client.ts";
export type { Filter, RawHandler, Route } from "./route.ts";
export { HttpServer, type HttpServerOptions } from "./server.ts";

// For library authors.

export { resolveHttpClientOptions } from "./client.ts";
