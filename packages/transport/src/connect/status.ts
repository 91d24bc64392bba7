import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { HeaderFields } from "@clew/http2";
import { GrpcCode, GrpcStatusSchema } from "@clew/rpc";
import { encodeBase64 } from "../grpc/metadata.ts";
import { readReplyHead } from "../grpc/reply-head.ts";
import { decodeMessage, detailsName, encodeMessage, statusName } from "../grpc/status.ts";
import { codeNames } from "./code.ts";

/** An error as Connect has it in JSON (https://connectrpc.com/docs/protocol/#error-end-stream). */
export interface WireError {
  readonly code: string;
  readonly message?: string;
  /** `type` without `type.googleapis.com/`, `value` in base64 without padding. */
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

const messageName = "grpc-message";
const typePrefix = "type.googleapis.com/";

/** The number of the code, and the error, that gRPC's trailers hold; undefined when they say that all went well. */
export function errorOfTrailers(trailers: HeaderFields): { code: number; error: WireError } | undefined {
  const { status, message = "", details } = readReplyHead(trailers);
  if (status === "0") return undefined;
  const number = Number(status);
  const code = codeNames[number] === undefined || number === 0 ? GrpcCode.UNKNOWN : number;
  const found = readDetails(details);
  return {
    code,
    error: {
      code: codeNames[code]!,
      ...(message !== "" && { message: decodeMessage(message) }),
      ...(found.length > 0 && {
        details: found.map(({ typeUrl, value }) => ({
          type: typeUrl.startsWith(typePrefix) ? typeUrl.slice(typePrefix.length) : typeUrl,
          value: encodeBase64(value),
        })),
      }),
    },
  };
}

// A handler that sets them itself may have written anything.
function readDetails(base64: string | undefined): Any[] {
  if (base64 === undefined) return [];
  try {
    return fromBinary(GrpcStatusSchema, Buffer.from(base64, "base64")).details;
  } catch {
    return [];
  }
}

/** The fields of gRPC's trailers that say an error. */
export function trailersOfCode(code: number, message: string): string[] {
  return [statusName, String(code), messageName, encodeMessage(message)];
}

/**
 * The same for an error that came as JSON, where what is missing or wrong is passed over; `otherwise` is its code when it names
 * none that is known.
 */
export function trailersOfError(json: unknown, otherwise: number): string[] {
  const given = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const named = codeNames.indexOf(given.code as string);
  const code = named > 0 ? named : otherwise;
  const message = typeof given.message === "string" ? given.message : "";
  const fields = trailersOfCode(code, message);
  const details = (Array.isArray(given.details) ? given.details : []).flatMap((detail: unknown) => {
    const { type, value } = (detail ?? {}) as Record<string, unknown>;
    if (typeof type !== "string" || typeof value !== "string") return [];
    return [{ $typeName: AnySchema.typeName, typeUrl: typePrefix + type, value: Buffer.from(value, "base64") }];
  });
  if (details.length > 0) {
    const status = toBinary(GrpcStatusSchema, { $typeName: GrpcStatusSchema.typeName, code, message, details });
    fields.push(detailsName, encodeBase64(status));
  }
  return fields;
}
