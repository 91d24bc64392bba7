import type { HeaderFields, ServerStream } from "@clew/http2";
import { TranslatedStream } from "../translated-stream.ts";
import { acceptedEncodings } from "./accepted-encodings.ts";
import { encodeEnd } from "./end-of-stream.ts";
import { isProtocolName } from "./names.ts";

/** A call with a stream in it: gRPC's frames as they are, between other headers and another end. */
export class StreamExchange extends TranslatedStream {
  readonly #contentType: string;

  constructor(stream: ServerStream, codec: string) {
    super(stream);
    this.#contentType = `application/connect+${codec}`;
  }

  override sendHeaders(fields: HeaderFields, isEnd: boolean): void {
    const headers = [":status", "200", "content-type", this.#contentType];
    let trailers: string[] | undefined;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      if (isEnd && name === "grpc-status") trailers = [];
      if (trailers !== undefined) trailers.push(name, value);
      else if (name === "grpc-encoding") headers.push("connect-content-encoding", value);
      else if (name === "grpc-accept-encoding") headers.push("connect-accept-encoding", acceptedEncodings);
      else if (!isProtocolName(name)) headers.push(name, value);
    }
    this.stream.sendHeaders(headers, isEnd && trailers === undefined);
    if (trailers !== undefined) this.sendTrailers(trailers);
  }

  override sendTrailers(fields: HeaderFields): void {
    this.stream.sendData(encodeEnd(fields), true);
  }
}
