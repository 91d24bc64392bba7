export {
  type Filter,
  HttpServer,
  type HttpServerOptions,
  type RawHandler,
  type Route,
} from "./server.ts";
