export { GrpcClient, type GrpcClientOptions } from "./client.ts";
export type { GrpcHandlerOptions } from "./handler.ts";
export type { Health, ServingStatus } from "./health.ts";
export { GrpcServer, type GrpcServerOptions } from "./server.ts";
