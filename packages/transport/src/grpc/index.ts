export { GrpcClient, type GrpcClientOptions } from "./client.ts";
export { GrpcServer, type GrpcServerOptions } from "./server.ts";
