// What most services use. Everything else is behind the other doors: clew/http, clew/grpc, clew/trace, clew/config, ...
export { App, type AppInfo, type AppOptions, currentApp, runMain, type Server } from "@clew/app";
export { createLogger, type Logger, type LoggerOptions } from "@clew/log";
export { logging, metadata, recovery, tracing } from "@clew/middleware";
export {
  Call,
  type CallOptions,
  currentCall,
  errorsOf,
  type Handler,
  type Implementation,
  Metadata,
  type Middleware,
  type Reply,
  type Service,
  type ServiceClient,
  ServiceError,
  service,
} from "@clew/rpc";
export { createClient } from "@clew/transport";
export { GrpcServer } from "@clew/transport/grpc";
export { HttpServer } from "@clew/transport/http";
