import type { ClientStreamListener, HeaderFields } from "@clew/http2";
import { GrpcCode } from "@clew/rpc";
import { EndFrameReader } from "../end-frame.ts";
import { tellForeignReply } from "../foreign-reply.ts";
import { findCompression } from "../grpc/compression.ts";
import { TranslatedReply } from "../stream-connection.ts";
import { codeOfHttpStatus } from "./code.ts";
import { decodeEnd, endFlag } from "./end-of-stream.ts";
import { isProtocolName } from "./names.ts";
import { trailersOfCode } from "./status.ts";

/** A stream of Connect's for a listener that knows gRPC: the last frame becomes the trailers. */
export class StreamReply extends TranslatedReply {
  readonly #codec: string;
  readonly #maxBytes: number;
  readonly #frames: EndFrameReader;
  #encoding = "identity";
  /** What ends the call, whatever follows. */
  #failure: HeaderFields | undefined;

  constructor(listener: ClientStreamListener, codec: string, maxBytes: number) {
    super(listener);
    this.#codec = codec;
    this.#maxBytes = maxBytes;
    this.#frames = new EndFrameReader(endFlag, maxBytes, (bytes) => listener.onData(bytes));
  }

  override onHeaders(fields: HeaderFields): void {
    const headers = [":status", "200", "content-type", `application/grpc+${this.#codec}`];
    let status = "";
    let contentType = "";
    let acceptPost: string | undefined;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      if (name === ":status") status = value;
      else if (name === "content-type") contentType = value;
      else if (name === "accept-post") acceptPost = value;
      else if (name === "connect-content-encoding") {
        this.#encoding = value;
        headers.push("grpc-encoding", value);
      } else if (!isProtocolName(name)) headers.push(name, value);
    }
    if (status !== "200" || contentType !== `application/connect+${this.#codec}`) {
      const ofAnother = contentType.startsWith("application/connect+") ? GrpcCode.INTERNAL : GrpcCode.UNKNOWN;
      this.#failure = trailersOfCode(
        status === "200" ? ofAnother : codeOfHttpStatus(Number(status)),
        tellForeignReply("no stream of Connect", { status, contentType, acceptPost }),
      );
    }
    this.listener.onHeaders(headers);
  }

  override onData(bytes: Buffer): void {
    if (this.#failure === undefined) this.#frames.push(bytes);
  }

  override onEnd(): void {
    this.listener.onEnd(this.#failure ?? this.#end());
  }

  #end(): HeaderFields {
    const { frame, isBroken } = this.#frames;
    if (isBroken) return trailersOfCode(GrpcCode.INTERNAL, "the stream went on behind its end");
    if (frame === undefined) return trailersOfCode(GrpcCode.INTERNAL, "the stream ended without saying so");
    if (!frame.isCompressed) return decodeEnd(frame.bytes);
    try {
      const compression = findCompression(this.#encoding);
      if (compression !== undefined) return decodeEnd(compression.decompress(frame.bytes, this.#maxBytes));
    } catch {
      // As below.
    }
    return trailersOfCode(GrpcCode.INTERNAL, "the end of the stream is compressed in a way that is not known");
  }
}
