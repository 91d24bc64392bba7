import { ErrorCode, type HeaderFields, type ServerStream } from "@clew/http2";
import type { GrpcHandler } from "../grpc/handler.ts";
import { type StreamAcceptor, TranslatedStream } from "../translated-stream.ts";
import { Base64Reader, encodeBase64 } from "./base64.ts";
import { type GrpcWebType, parseGrpcWebType } from "./content-type.ts";
import { encodeTrailers } from "./trailers.ts";

/**
 * Answers requests of gRPC-Web, over any version of HTTP. It is gRPC with the trailers in the body
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): it uses the calls of the gRPC handler, and only their beginning and
 * end are encoded differently.
 */
export function createGrpcWebHandler(grpc: GrpcHandler): StreamAcceptor {
  return {
    accept(stream, fields, peer) {
      let type: GrpcWebType | undefined;
      let contentType = "";
      const translated: string[] = [];
      for (let at = 0; at < fields.length; at += 2) {
        const name = fields[at]!;
        let value = fields[at + 1]!;
        if (name === "content-type") {
          contentType = value;
          type = parseGrpcWebType(value);
          value = type?.grpcType ?? value;
        }
        if (!ownNames.has(name)) translated.push(name, value);
      }
      const web = new GrpcWebStream(stream, contentType, type?.isText === true);
      return web.handleBy(grpc.accept(web, translated, peer, "grpc-web"));
    },
  };
}

/** What a gRPC-Web request says of itself and of no call. */
const ownNames: ReadonlySet<string> = new Set(["x-grpc-web", "content-length", "accept", "accept-encoding"]);

class GrpcWebStream extends TranslatedStream {
  readonly #contentType: string;
  readonly #text: Base64Reader | undefined;
  /** Whether the reply is one of plain HTTP. */
  #isForeign = false;

  constructor(stream: ServerStream, contentType: string, isText: boolean) {
    super(stream);
    this.#contentType = contentType;
    if (isText) this.#text = new Base64Reader();
  }

  override sendHeaders(fields: HeaderFields, isEnd: boolean): void {
    const headers: string[] = [];
    let trailers: string[] | undefined;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      // A status among the headers would be good gRPC-Web too, but a browser shows a script only the headers that CORS names.
      if (isEnd && name === "grpc-status") trailers = [];
      let value = fields[at + 1]!;
      if (name === "content-type") {
        if (value.startsWith("application/grpc")) value = this.#contentType;
        else this.#isForeign = true;
      }
      (trailers ?? headers).push(name, value);
    }
    this.stream.sendHeaders(headers, isEnd && trailers === undefined);
    if (trailers !== undefined) this.sendTrailers(trailers);
  }

  override sendData(bytes: Uint8Array, isEnd?: boolean): boolean {
    const isText = this.#text !== undefined && !this.#isForeign;
    return this.stream.sendData(isText ? encodeBase64(bytes) : bytes, isEnd);
  }

  override sendTrailers(fields: HeaderFields): void {
    this.sendData(encodeTrailers(fields), true);
  }

  override onData(bytes: Buffer): void {
    if (this.#text === undefined) {
      this.handler.onData(bytes);
      return;
    }
    try {
      this.handler.onData(this.#text.push(bytes));
    } catch {
      // There is no telling where the next message begins, and what came before may be answered already.
      this.handler.onReset(ErrorCode.PROTOCOL_ERROR, undefined);
      this.stream.reset(ErrorCode.PROTOCOL_ERROR);
    }
  }
}
