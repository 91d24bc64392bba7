export {
  type Filter,
  HttpServer,
  type HttpServerOptions,
  type RawHandler,
  type Route,
} from "./http/index.ts";

// For library authors.
export type { CallAnnouncement } from "./channels.ts";
