import type { IncomingHttpHeaders } from "node:http";
import { Metadata } from "@clew/rpc";

/** What travels from service to service as metadata begins so, in Kratos and here. */
const prefix = "x-md-";

/**
 * Headers as the metadata of a call. Several values of a name are one list to HTTP (RFC 9110 section 5.3), and node:http hands
 * them on joined; those of metadata stay apart, so that what comes from a gRPC call arrives at the next one as it left.
 *
 * @param raw the names and values as they came, in turn
 */
export function readMetadata(headers: IncomingHttpHeaders, raw: readonly string[]): Metadata {
  for (const name in headers) {
    if (name.charCodeAt(0) !== 0x78 || !name.startsWith(prefix)) continue;
    const value = headers[name];
    if (typeof value === "string" && value.includes(", ")) return separate(headers, raw);
  }
  return Metadata.adopt(headers);
}

function separate(headers: IncomingHttpHeaders, raw: readonly string[]): Metadata {
  // The headers are those of the request as well, where raw handlers and filters look.
  const metadata = Metadata.adopt({ ...headers });
  for (const name of metadata.keys()) if (name.startsWith(prefix)) metadata.delete(name);
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    if (name.startsWith(prefix)) metadata.append(name, raw[at + 1]!);
  }
  return metadata;
}
