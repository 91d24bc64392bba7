import {
  fromJson,
  type JsonReadOptions,
  type JsonValue,
  type JsonWriteOptions,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import type { Codec } from "./codec.ts";

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
