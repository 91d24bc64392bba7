import type { HeaderFields } from "@clew/http2";
import { GrpcCode } from "@clew/rpc";
import { decodeUtf8 } from "../utf8.ts";
import { isProtocolName } from "./names.ts";
import { errorOfTrailers, trailersOfCode, trailersOfError } from "./status.ts";

/** The bit in a frame's first byte that says it is the last: it holds JSON, with the error and the trailers. */
export const endFlag = 0x02;

/** gRPC's trailers as the last frame of a stream: `{"error": {…}, "metadata": {"name": ["value"]}}`. */
export function encodeEnd(trailers: HeaderFields): Uint8Array {
  const metadata: Record<string, string[]> = {};
  let hasMetadata = false;
  for (let at = 0; at < trailers.length; at += 2) {
    const name = trailers[at]!;
    if (isProtocolName(name)) continue;
    metadata[name] ??= [];
    metadata[name].push(trailers[at + 1]!);
    hasMetadata = true;
  }
  const failed = errorOfTrailers(trailers);
  const text = JSON.stringify({ ...(failed && { error: failed.error }), ...(hasMetadata && { metadata }) });
  const frame = Buffer.allocUnsafe(5 + Buffer.byteLength(text));
  frame[0] = endFlag;
  frame.writeUInt32BE(frame.length - 5, 1);
  frame.write(text, 5);
  return frame;
}

/** gRPC's trailers for what the last frame holds. */
export function decodeEnd(bytes: Uint8Array): HeaderFields {
  let end: Record<string, unknown>;
  try {
    const json: unknown = JSON.parse(decodeUtf8(bytes));
    if (typeof json !== "object" || json === null || Array.isArray(json)) throw new TypeError("no object");
    end = json as Record<string, unknown>;
  } catch {
    return trailersOfCode(GrpcCode.UNKNOWN, "the last frame of the stream is not a JSON object");
  }
  const { error, metadata } = end;
  const fields =
    error === undefined || error === null ? ["grpc-status", "0"] : trailersOfError(error, GrpcCode.UNKNOWN);
  if (typeof metadata !== "object" || metadata === null) return fields;
  for (const [name, values] of Object.entries(metadata)) {
    if (isProtocolName(name.toLowerCase())) continue;
    for (const value of Array.isArray(values) ? values : [values]) fields.push(name.toLowerCase(), String(value));
  }
  return fields;
}
