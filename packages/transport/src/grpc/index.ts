export type { Health, ServingStatus } from "../health.ts";
export { GrpcClient, type GrpcClientOptions } from "./client.ts";
export type { GrpcHandlerOptions } from "./handler.ts";
export { GrpcServer, type GrpcServerOptions } from "./server.ts";
