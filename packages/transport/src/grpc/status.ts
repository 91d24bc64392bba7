import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyIs, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { ErrorCode, errorCodeName, type HeaderFields, ProtocolError } from "@clew/http2";
import {
  ErrorDetail,
  ErrorInfoSchema,
  ErrorStatusSchema,
  fromGrpcCode,
  GrpcCode,
  GrpcStatusSchema,
  type Metadata,
  ServiceError,
  toGrpcCode,
} from "@clew/rpc";
import { type ForeignReply, tellForeignReply } from "../foreign-reply.ts";
import { streamRefused } from "../http2/not-begun.ts";
import { encodeBase64, isBase64 } from "./metadata.ts";
import type { ReplyHead } from "./reply-head.ts";

/** The fields that say a call went well. */
export const okFields: HeaderFields = Object.freeze(["grpc-status", "0"]);

/**
 * The names under which a status shows in the reply trailers of a call that failed, as it came, for those who need more of it
 * than a ServiceError holds. A handler that sets them there and throws overrules what would be sent.
 */
export const statusName = "grpc-status";
export const detailsName = "grpc-status-details-bin";

/**
 * The fields that carry an error: `grpc-status`, `grpc-message` and `grpc-status-details-bin`, a google.rpc.Status whose first
 * detail is the ErrorInfo{reason, metadata} of Kratos. A code that gRPC's seventeen cannot tell apart (405, 422) follows in a
 * second detail, an errors.Status: Kratos passes over it, and nothing has to hide in the metadata. Then come the error's own.
 */
export function encodeStatus(error: ServiceError, trailers?: Metadata): string[] {
  const status = trailers?.get(statusName);
  const details = trailers?.get(detailsName);
  // An error that says OK would be none to its receiver.
  const code = error.code === 200 ? GrpcCode.UNKNOWN : toGrpcCode(error.code);
  const fields = [
    statusName,
    status !== undefined && /^[1-9]\d*$/.test(status) ? status : String(code),
    "grpc-message",
    encodeMessage(error.message),
  ];
  if (details !== undefined && isBase64(details)) fields.push(detailsName, details);
  else if (hasDetails(error, code)) fields.push(detailsName, encodeDetails(error, code));
  return fields;
}

function hasDetails(error: ServiceError, code: number): boolean {
  if (error.reason !== "" || error.details.length > 0 || fromGrpcCode(code) !== error.code) return true;
  for (const _ in error.metadata) return true;
  return false;
}

function encodeDetails(error: ServiceError, code: number): string {
  const info = create(ErrorInfoSchema, { reason: error.reason, metadata: error.metadata });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (fromGrpcCode(code) !== error.code) {
    details.push(anyPack(ErrorStatusSchema, create(ErrorStatusSchema, { code: error.code })));
  }
  for (const detail of error.details) {
    // What came as JSON of a type that is not known here has no bytes to be sent.
    const any = detail.toAny();
    if (any !== undefined) details.push(any);
  }
  const status = toBinary(GrpcStatusSchema, create(GrpcStatusSchema, { code, message: error.message, details }));
  return encodeBase64(status);
}

/** The error that fields carry; undefined when they say OK. Details that are none are passed over. */
export function decodeStatus(head: Pick<ReplyHead, "status" | "message" | "details">): ServiceError | undefined {
  const text = head.status ?? "";
  if (text === "0") return undefined;
  const code = /^\d+$/.test(text) ? Number(text) : GrpcCode.UNKNOWN;
  if (code === GrpcCode.OK) return undefined;
  const message = decodeMessage(head.message ?? "");
  const details = decodeDetails(head.details, code);
  return new ServiceError(details.code ?? fromGrpcCode(code), details.reason, details.message ?? message, {
    metadata: details.metadata,
    details: details.others,
  });
}

interface Details {
  code: number | undefined;
  reason: string;
  message: string | undefined;
  metadata: Readonly<Record<string, string>>;
  readonly others: ErrorDetail[];
}

// "If present and contains a status code it MUST NOT contradict the Status header. The consumer MUST verify this requirement."
// (gRPC over HTTP/2, "Responses"): details of another status say nothing about this one.
function decodeDetails(base64: string | undefined, grpcCode: number): Details {
  const found: Details = { code: undefined, reason: "", message: undefined, metadata: {}, others: [] };
  if (base64 === undefined) return found;
  try {
    const status = fromBinary(GrpcStatusSchema, Buffer.from(base64, "base64"));
    if (status.code !== 0 && status.code !== grpcCode) return found;
    if (status.code !== 0) found.message = status.message;
    let hasInfo = false;
    for (const any of status.details) {
      if (!hasInfo && anyIs(any, ErrorInfoSchema)) {
        const info = anyUnpack(any, ErrorInfoSchema)!;
        hasInfo = true;
        found.reason = info.reason;
        found.metadata = info.metadata;
      } else if (found.code === undefined && anyIs(any, ErrorStatusSchema)) {
        const { code } = anyUnpack(any, ErrorStatusSchema)!;
        if (code !== 0 && toGrpcCode(code) === grpcCode) found.code = code;
      } else found.others.push(ErrorDetail.fromAny(any));
    }
  } catch {
    // Status and message arrived; whoever wrote the details wrote something else.
  }
  return found;
}

/** Percent-encodes a message for `grpc-message`: everything but printable ASCII, the percent sign, and blanks at its ends. */
export function encodeMessage(message: string): string {
  if (/^(?! )[\x20-\x24\x26-\x7e]*(?<! )$/.test(message)) return message;
  let encoded = "";
  for (const byte of Buffer.from(message)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  // No header has blanks at its ends (RFC 9110 section 5.5).
  return encoded.replaceAll(/^ | $/g, "%20");
}

/** Reads a `grpc-message`. A percent sign that begins no escape stands for itself: a message is never lost to its encoding. */
export function decodeMessage(encoded: string): string {
  if (!encoded.includes("%")) return encoded;
  const bytes = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString();
}

/**
 * The error for a reply that is not gRPC, and its `grpc-status`, by its HTTP status (gRPC, "HTTP to gRPC Status Code Mapping").
 */
export function fromForeignReply(reply: ForeignReply): { error: ServiceError; status: string } {
  const code = httpCodes[reply.status] ?? GrpcCode.UNKNOWN;
  return { error: new ServiceError(fromGrpcCode(code), "", tellForeignReply("not gRPC", reply)), status: String(code) };
}

const httpCodes: Readonly<Record<string, GrpcCode>> = {
  400: GrpcCode.INTERNAL,
  401: GrpcCode.UNAUTHENTICATED,
  403: GrpcCode.PERMISSION_DENIED,
  404: GrpcCode.UNIMPLEMENTED,
  429: GrpcCode.UNAVAILABLE,
  502: GrpcCode.UNAVAILABLE,
  503: GrpcCode.UNAVAILABLE,
  504: GrpcCode.UNAVAILABLE,
};

/**
 * The error for a stream that was reset, by the code of HTTP/2 (gRPC over HTTP/2, "Errors").
 *
 * @param loss what is said where the cause is that the connection was lost
 */
export function fromReset(
  operation: string,
  code: number,
  cause: Error | undefined,
  loss = "the connection was lost",
): ServiceError {
  if (code === ErrorCode.REFUSED_STREAM) {
    const error = streamRefused(cause);
    return new ServiceError(503, "", `${operation}: ${error.message}`, { cause: error });
  }
  if (cause instanceof ServiceError) return cause;
  if (cause !== undefined && !(cause instanceof ProtocolError)) {
    return new ServiceError(503, "", `${operation}: ${loss}`, { cause });
  }
  const message = `${operation}: the stream was reset (HTTP/2: ${errorCodeName(code)})`;
  return new ServiceError(resetCodes[code] ?? 500, "", message, { cause });
}

const resetCodes: Readonly<Record<number, number>> = {
  [ErrorCode.CANCEL]: 499,
  [ErrorCode.ENHANCE_YOUR_CALM]: 429,
  [ErrorCode.INADEQUATE_SECURITY]: 403,
};
