import type { TraceStore } from "@clew/store";
import {
  decodeRequest,
  encodeJsonRequest,
  encodePartialSuccess,
  MalformedError,
  type PartialSuccess,
  type RawBatch,
} from "@clew/trace/otel";

/** The two ways OTLP/HTTP writes a message; an answer goes the way its request came. */
export type OtlpEncoding = "protobuf" | "json";

/** What a receiver answers; the HTTP edge writes it as it is. */
export interface OtlpReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer | string;
  /** When to send again, in seconds; only for what is worth sending again. */
  readonly retryAfterS: number | undefined;
  /** What led to a failure of ours, for the log; never sent. */
  readonly cause?: unknown;
}

const contentTypes: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

/** The encoding that a content type names; undefined when it is neither. */
export function encodingOf(contentType: string | undefined): OtlpEncoding | undefined {
  const type = (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (type === "application/x-protobuf" || type === "application/protobuf") return "protobuf";
  return type === "application/json" ? "json" : undefined;
}

// The store empties its queue in well under this.
const RETRY_AFTER_S = 1;

/** What became of a request: taken, with what was not of it, or refused by a code like HTTP's and, if it helps, a time to come again. */
export type Outcome =
  | { readonly isTaken: true; readonly partial: PartialSuccess | undefined }
  | {
      readonly isTaken: false;
      readonly status: 400 | 503;
      readonly message: string;
      readonly retryAfterS?: number;
      /** What led to a failure of ours, for the log; never sent. */
      readonly cause?: unknown;
    };

/** Takes an ExportTraceServiceRequest (OTLP v1.11) in protobuf into the store. `decode` throws {@link MalformedError}. */
export async function takeTraces(store: TraceStore, decode: () => Uint8Array): Promise<Outcome> {
  let batch: RawBatch;
  try {
    batch = decodeRequest(decode());
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return { isTaken: false, status: 400, message: `the request is malformed: ${error.message}` };
  }
  const { rejected, message } = batch;
  try {
    const { isFull } = await store.ingest(batch);
    if (isFull) return later("the trace store has too much waiting; send again later");
  } catch (cause) {
    // The caller cannot help a full disk, but what it sends again then is not lost.
    return { ...later("the trace store cannot write; send again later"), cause };
  }
  return { isTaken: true, partial: rejected === 0 ? undefined : { rejectedSpans: rejected, message } };
}

function later(message: string): Outcome & { isTaken: false } {
  return { isTaken: false, status: 503, message, retryAfterS: RETRY_AFTER_S };
}

/** Takes the body of a request (OTLP/HTTP) into the store and says how that went. */
export async function receiveTraces(store: TraceStore, body: Buffer, encoding: OtlpEncoding): Promise<OtlpReply> {
  const outcome = await takeTraces(store, () =>
    encoding === "json" ? encodeJsonRequest(body.toString("utf8")) : body,
  );
  if (outcome.isTaken) return replySuccess(encoding, outcome.partial);
  const { status, message, retryAfterS, cause } = outcome;
  return { ...replyStatus(encoding, status, message, retryAfterS), cause };
}

function replySuccess(encoding: OtlpEncoding, partial: PartialSuccess | undefined): OtlpReply {
  const body =
    encoding === "protobuf"
      ? encodePartialSuccess(partial)
      : JSON.stringify(
          // A 64-bit integer is a string in protobuf's JSON.
          partial === undefined
            ? {}
            : { partialSuccess: { rejectedSpans: String(partial.rejectedSpans), errorMessage: partial.message } },
        );
  return { status: 200, contentType: contentTypes[encoding], body, retryAfterS: undefined };
}

// google.rpc.Code for the statuses answered here.
const RPC_CODES: Readonly<Record<number, number>> = { 400: 3, 413: 8, 415: 3, 503: 14 };

/** A google.rpc.Status, which is what OTLP says every error is. */
export function replyStatus(encoding: OtlpEncoding, status: number, message: string, retryAfterS?: number): OtlpReply {
  const code = RPC_CODES[status] ?? 2;
  const body = encoding === "json" ? JSON.stringify({ code, message }) : encodeStatus(code, message);
  return { status, contentType: contentTypes[encoding], body, retryAfterS };
}

/** google.rpc.Status { int32 code = 1; string message = 2; } */
function encodeStatus(code: number, message: string): Buffer {
  const text = Buffer.from(message);
  const length: number[] = [];
  let rest = text.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([0x08, code, 0x12, ...length, rest]), text]);
}
