import { decodeRequest, encodeJsonRequest, encodePartialSuccess, type PartialSuccess } from "@clew/trace/otel";
import type { Intake, Outcome } from "./intake.ts";
import type { BodyEncoding, Receiver, Reply } from "./receiver-route.ts";

/** Stores an ExportTraceServiceRequest (OTLP v1.11) in protobuf. `decode` may throw MalformedError. */
export function takeTraces(intake: Intake, decode: () => Uint8Array): Promise<Outcome> {
  return intake.take(() => decodeRequest(decode()));
}

/** The receiver for traces over OTLP/HTTP; the reply has the encoding of the request. */
export function otlpReceiver(intake: Intake): Receiver {
  return {
    path: "/v1/traces",
    dialect: "OTLP",
    encodings: ["protobuf", "json"],
    intake,
    receive: (body, encoding) =>
      takeTraces(intake, () => (encoding === "json" ? encodeJsonRequest(body.toString("utf8")) : body)),
    reply: (outcome, encoding = "json") =>
      outcome.isTaken
        ? replySuccess(encoding, outcome.partial)
        : replyStatus(encoding, outcome.status, outcome.message),
  };
}

const contentTypes: Readonly<Record<BodyEncoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

function replySuccess(encoding: BodyEncoding, partial: PartialSuccess | undefined): Reply {
  const body =
    encoding === "protobuf"
      ? encodePartialSuccess(partial)
      : JSON.stringify(
          // A 64-bit integer is a string in protobuf's JSON.
          partial === undefined
            ? {}
            : { partialSuccess: { rejectedSpans: String(partial.rejectedSpans), errorMessage: partial.message } },
        );
  return { status: 200, contentType: contentTypes[encoding], body };
}

// google.rpc.Code for the statuses answered here.
const rpcCodes: Readonly<Record<number, number>> = { 400: 3, 413: 8, 415: 3, 503: 14 };

/** A google.rpc.Status, which is what OTLP says every error is. */
function replyStatus(encoding: BodyEncoding, status: number, message: string): Reply {
  const code = rpcCodes[status] ?? 2;
  const body = encoding === "json" ? JSON.stringify({ code, message }) : encodeStatus(code, message);
  return { status, contentType: contentTypes[encoding], body };
}

/** google.rpc.Status { int32 code = 1; string message = 2; } */
function encodeStatus(code: number, message: string): Buffer {
  const text = Buffer.from(message);
  const length: number[] = [];
  let rest = text.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([0x08, code, 0x12, ...length, rest]), text]);
}
