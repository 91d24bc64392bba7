// For library authors.
export { HttpClient, type HttpClientOptions, resolveHttpClientOptions } from "./client.ts";
export {
  type Filter,
  HttpServer,
  type HttpServerOptions,
  type RawHandler,
  type Route,
  resolveHttpServerOptions,
} from "./server.ts";
