import { Metadata, ServiceError } from "@clew/rpc";

// What speaks of one hop, frames a message or belongs to a protocol: on no transport does it reach the other end.
const ownNames: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const validName = /^[0-9a-z_.-]+$/;
const validValue = /^[\x20-\x7e]*$/;

/**
 * Metadata as it arrives at the other end: a copy, by the rules of the wire. They are gRPC's, the stricter ones.
 *
 * @throws ServiceError 500 METADATA for a name or a value that no header can have.
 */
export function carryMetadata(metadata: Metadata | undefined): Metadata {
  const carried = new Metadata();
  if (metadata === undefined) return carried;
  for (const [name, value] of metadata) {
    if (ownNames.has(name) || name.startsWith("grpc-")) continue;
    if (!validName.test(name)) throw invalid(`metadata "${name}" has a name outside 0-9 a-z _ - .`);
    if (!validValue.test(value)) throw invalid(`metadata "${name}" has a value outside printable ASCII`);
    carried.append(name, value.trim());
  }
  return carried;
}

function invalid(message: string): ServiceError {
  return new ServiceError(500, "METADATA", message);
}
