export { ConnectClient, type ConnectClientOptions } from "./client.ts";
