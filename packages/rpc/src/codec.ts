import {
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonReadOptions,
  type JsonValue,
  type JsonWriteOptions,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";

/** Messages of one type to bytes and back. `decode` throws when the bytes are not such a message, and keeps no reference to them. */
export interface MessageCodec<T> {
  encode(message: T): Uint8Array;
  /** The same as text, where the encoding is text: Node joins it with a reply's headers in one write. */
  encodeText?(message: T): string;
  decode(bytes: Uint8Array): T;
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

/** The protobuf binary encoding. */
export const protoCodec: Codec = {
  name: "proto",
  contentType: "application/proto",
  compile: (desc) => ({
    encode: (message) => toBinary(desc, message),
    decode: (bytes) => fromBinary(desc, bytes),
  }),
};

export interface JsonCodecOptions {
  /** Write fields that hold their zero value, as Kratos does. Default: true. */
  emitZeroValues?: boolean;
  /** Refuse a field that the message does not have, instead of passing over it. Default: false. */
  rejectUnknownFields?: boolean;
}

/** The JSON mapping of protobuf (https://protobuf.dev/programming-guides/json/). Empty input is the empty message. */
export function createJsonCodec(options: JsonCodecOptions = {}): Codec {
  const write: Partial<JsonWriteOptions> = { alwaysEmitImplicit: options.emitZeroValues ?? true };
  const read: Partial<JsonReadOptions> = { ignoreUnknownFields: !(options.rejectUnknownFields ?? false) };
  return {
    name: "json",
    contentType: "application/json",
    compile: (desc) => {
      const encodeText = (message: MessageShape<typeof desc>): string => JSON.stringify(toJson(desc, message, write));
      return {
        encode: (message) => Buffer.from(encodeText(message)),
        encodeText,
        decode: (bytes) => {
          const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
          return fromJson(desc, text === "" ? {} : (JSON.parse(text) as JsonValue), read);
        },
      };
    },
  };
}

/** {@link createJsonCodec} with its defaults. */
export const jsonCodec: Codec = createJsonCodec();
