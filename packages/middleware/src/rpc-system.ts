// gRPC-Web is gRPC in other frames. What is not listed has no name in the conventions and keeps its own.
const systems: Readonly<Record<string, string>> = { connect: "connectrpc", "grpc-web": "grpc" };

/** A transport as the value of `rpc.system.name`. */
export function rpcSystemOf(transport: string): string {
  return systems[transport] ?? transport;
}
