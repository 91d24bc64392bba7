// gRPC-Web is gRPC with another framing. A transport that is not listed has no name in the conventions and keeps its
// own.
const systems: Readonly<Record<string, string>> = { connect: "connectrpc", "grpc-web": "grpc" };

/** The value of `rpc.system.name` for a transport. */
export function rpcSystemOf(transport: string): string {
  return systems[transport] ?? transport;
}
