import type { ClientStreamListener, HeaderFields } from "@clew/http2";
import { GrpcCode } from "@clew/rpc";
import { tellForeignReply } from "../foreign-reply.ts";
import { findCompression } from "../grpc/compression.ts";
import { mergeChunks } from "../merge-chunks.ts";
import { TranslatedReply } from "../stream-connection.ts";
import { decodeUtf8 } from "../utf8.ts";
import { codeOfHttpStatus } from "./code.ts";
import { isProtocolName } from "./names.ts";
import { trailersOfCode, trailersOfError } from "./status.ts";

const trailerPrefix = "trailer-";

/** The reply to a unary call of Connect's for a listener that knows gRPC: the body becomes a frame, or the error in it the trailers. */
export class UnaryReply extends TranslatedReply {
  readonly #codec: string;
  readonly #maxBytes: number;
  #status = 0;
  #contentType = "";
  #acceptPost: string | undefined;
  #encoding: string | undefined;
  readonly #trailers: string[] = [];
  #chunks: Buffer[] | undefined = [];
  #mergedChunks = 0;
  #length = 0;

  constructor(listener: ClientStreamListener, codec: string, maxBytes: number) {
    super(listener);
    this.#codec = codec;
    this.#maxBytes = maxBytes;
  }

  override onHeaders(fields: HeaderFields): void {
    const headers = [":status", "200", "content-type", `application/grpc+${this.#codec}`];
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      if (name === ":status") this.#status = Number(value);
      else if (name === "content-type") this.#contentType = value;
      else if (name === "accept-post") this.#acceptPost = value;
      else if (name === "content-encoding") {
        if (value === "identity") continue;
        this.#encoding = value;
        headers.push("grpc-encoding", value);
      } else if (name.startsWith(trailerPrefix)) this.#trailers.push(name.slice(trailerPrefix.length), value);
      else if (!isProtocolName(name)) headers.push(name, value);
    }
    this.listener.onHeaders(headers);
  }

  override onData(bytes: Buffer): void {
    if (this.#chunks === undefined) return;
    this.#chunks.push(bytes);
    this.#mergedChunks = mergeChunks(this.#chunks, this.#mergedChunks);
    this.#length += bytes.length;
    if (this.#length <= this.#maxBytes) return;
    // The head of a frame this large is all that the listener needs to refuse it.
    this.#chunks = undefined;
    this.#pass(noBytes, this.#length);
  }

  override onEnd(): void {
    if (this.#chunks === undefined) return;
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#length);
    const failure = this.#failure(body);
    if (failure === undefined) this.#pass(body, body.length);
    this.listener.onEnd([...(failure ?? okFields), ...this.#trailers]);
  }

  #pass(body: Uint8Array, length: number): void {
    const frame = Buffer.allocUnsafe(5 + body.length);
    frame[0] = this.#encoding !== undefined && length > 0 ? 1 : 0;
    frame.writeUInt32BE(Math.min(length, 0xffffffff), 1);
    frame.set(body, 5);
    this.listener.onData(frame);
  }

  #failure(body: Buffer): HeaderFields | undefined {
    const type = /^application\/([a-z0-9.+-]+)/i.exec(this.#contentType)?.[1]?.toLowerCase();
    if (this.#status === 200 && type === this.#codec) return undefined;
    const problem = tellForeignReply("not Connect", {
      status: this.#status,
      contentType: this.#contentType,
      acceptPost: this.#acceptPost,
    });
    if (this.#status !== 200) {
      const code = codeOfHttpStatus(this.#status);
      const json = type === "json" ? parseJson(this.#decompress(body)) : undefined;
      return json === undefined ? trailersOfCode(code, problem) : trailersOfError(json, code);
    }
    return trailersOfCode(type === undefined ? GrpcCode.UNKNOWN : GrpcCode.INTERNAL, problem);
  }

  #decompress(body: Buffer): Uint8Array {
    if (this.#encoding === undefined) return body;
    try {
      return findCompression(this.#encoding)?.decompress(body, this.#maxBytes) ?? body;
    } catch {
      return body;
    }
  }
}

const noBytes = new Uint8Array(0);
const okFields: HeaderFields = ["grpc-status", "0"];

/** The object that a body is in JSON; undefined for anything else. */
function parseJson(body: Uint8Array): object | undefined {
  try {
    const json: unknown = JSON.parse(decodeUtf8(body));
    return typeof json === "object" && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}
