// What most services use. Everything else is behind the other doors: clew/http, clew/grpc, clew/trace, clew/config, ...
export { App, type AppInfo, type AppOptions, currentApp, runMain } from "@clew/app";
export { createLogger, type Logger, type LoggerOptions } from "@clew/log";
export {
  circuitBreaker,
  hedge,
  jwt,
  logging,
  metadata,
  rateLimit,
  recovery,
  retry,
  selector,
  timeout,
  tracing,
  validate,
} from "@clew/middleware";
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
export {
  compression,
  cors,
  createClient,
  createReadyClient,
  GrpcServer,
  HttpServer,
  MemoryServer,
  Server,
  staticFiles,
} from "@clew/transport";
