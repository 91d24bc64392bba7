import type { ClientStreamListener, HeaderFields } from "@clew/http2";
import { EndFrameReader } from "../end-frame.ts";
import { findCompression } from "../grpc/compression.ts";
import { TranslatedReply } from "../stream-connection.ts";
import { parseGrpcWebType } from "./content-type.ts";
import { decodeTrailers, trailersFlag } from "./trailers.ts";

/** A reply of gRPC-Web for a listener that knows gRPC: the last frame becomes the trailers. */
export class GrpcWebReply extends TranslatedReply {
  readonly #frames: EndFrameReader;
  readonly #maxBytes: number;
  #encoding = "identity";

  constructor(listener: ClientStreamListener, maxBytes: number) {
    super(listener);
    this.#maxBytes = maxBytes;
    this.#frames = new EndFrameReader(trailersFlag, maxBytes, (bytes) => listener.onData(bytes));
  }

  override onHeaders(fields: HeaderFields): void {
    const headers = [...fields];
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at] === "content-type") {
        headers[at + 1] = parseGrpcWebType(headers[at + 1])?.grpcType ?? headers[at + 1]!;
      } else if (headers[at] === "grpc-encoding") this.#encoding = headers[at + 1]!;
    }
    this.listener.onHeaders(headers);
  }

  override onData(bytes: Buffer): void {
    this.#frames.push(bytes);
  }

  override onEnd(): void {
    const { frame, isBroken } = this.#frames;
    // Without trailers the listener looks for a status among the headers, and says so when there is none.
    if (isBroken || frame === undefined) this.listener.onEnd([]);
    else this.listener.onEnd(decodeTrailers(frame.isCompressed ? this.#decompress(frame.bytes) : frame.bytes));
  }

  #decompress(bytes: Uint8Array): Uint8Array {
    try {
      return findCompression(this.#encoding)?.decompress(bytes, this.#maxBytes) ?? bytes;
    } catch {
      return bytes;
    }
  }
}
