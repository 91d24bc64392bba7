const protocolNames: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether a field belongs to HTTP, to Connect or to gRPC: it is no metadata. */
export function isProtocolName(name: string): boolean {
  return name.startsWith(":") || protocolNames.has(name) || name.startsWith("connect-") || ownGrpcNames.has(name);
}

const ownGrpcNames: ReadonlySet<string> = new Set([
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-timeout",
]);
