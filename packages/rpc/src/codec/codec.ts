import type { DescMessage, MessageShape } from "@bufbuild/protobuf";

/**
 * Encodes and decodes messages of one type. `decode` throws when the bytes are not a valid message, and keeps no
 * reference to them.
 */
export interface MessageCodec<T> {
  /**
   * The caller owns the returned bytes. As with Node's own small buffers, their `ArrayBuffer` may also hold other
   * buffers.
   */
  encode(message: T): Uint8Array;
  /**
   * Like {@link encode}, but with room for `prefixBytes` bytes before the message, which the caller fills: adding a frame's
   * head needs no copy.
   */
  encodeAfter?(prefixBytes: number, message: T): Uint8Array;
  /**
   * Like {@link encode}, but returns text, for encodings that are text: Node joins text with a reply's headers in one
   * write.
   */
  encodeText?(message: T): string;
  decode(bytes: Uint8Array): T;
  /**
   * Like {@link decode}, for bytes that nobody will change: a field of type `bytes` may be a view into them if it is most of their
   * `ArrayBuffer`.
   */
  decodeOwned?(bytes: Uint8Array): T;
}

/** An encoding of messages, identified by its content type. */
export interface Codec {
  /** The subtype in content types: `json` in `application/json` and `application/grpc+json`. */
  readonly name: string;
  /** The content type that it writes. */
  readonly contentType: string;
  /** Returns the codec for one message type. A server calls this once for each method, when the server is created. */
  compile<T extends DescMessage>(desc: T): MessageCodec<MessageShape<T>>;
}
