import type { DescMessage, MessageShape } from "@bufbuild/protobuf";

/**
 * Messages of one type to bytes and back. `decode` throws when the bytes are not such a message, and keeps
 * no reference to them.
 */
export interface MessageCodec<T> {
  /** The bytes are the caller's. As with Node's own small buffers, their `ArrayBuffer` may hold other buffers too. */
  encode(message: T): Uint8Array;
  /** The same with room for `prefixBytes` bytes before the message, which the caller writes: a frame's head costs no copy. */
  encodeAfter?(prefixBytes: number, message: T): Uint8Array;
  /** The same as text, where the encoding is text: Node joins it with a reply's headers in one write. */
  encodeText?(message: T): string;
  decode(bytes: Uint8Array): T;
  /** The same for bytes that nobody will change: a field of `bytes` may be a view into them, where it is most of their `ArrayBuffer`. */
  decodeOwned?(bytes: Uint8Array): T;
}

/** One way to write messages as bytes, known by its content type. */
export interface Codec {
  /** The subtype it goes by: `json` in `application/json` and `application/grpc+json`. */
  readonly name: string;
  /** The content type it writes. */
  readonly contentType: string;
  /** The codec for one message type. A server asks once for each method, when it is put together. */
  compile<T extends DescMessage>(desc: T): MessageCodec<MessageShape<T>>;
}
