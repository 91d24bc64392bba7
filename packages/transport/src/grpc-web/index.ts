export { GrpcWebClient, type GrpcWebClientOptions } from "./client.ts";
