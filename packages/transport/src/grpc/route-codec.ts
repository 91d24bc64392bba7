import type { Message } from "@bufbuild/protobuf";
import type { HeaderFields } from "@clew/http2";
import type { Codec, MessageCodec, Method } from "@clew/rpc";

/** A method's messages under one content type, and what a reply in it begins with. */
export interface RouteCodec {
  readonly contentType: string;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
  /** The headers of a reply that has none of its own: one list for all of them, which the encoder recognises. */
  readonly headers: HeaderFields;
}

export function compileRouteCodec(codec: Codec, { desc }: Method, contentType: string): RouteCodec {
  return {
    contentType,
    input: codec.compile(desc.input),
    output: codec.compile(desc.output),
    headers: Object.freeze([":status", "200", "content-type", contentType]),
  };
}
