export { MemoryClient } from "./client.ts";
export { MemoryServer, type MemoryServerOptions } from "./server.ts";
