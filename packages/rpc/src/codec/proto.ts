import { fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Codec } from "./codec.ts";
import { compileProtoReader } from "./proto-decode.ts";
import { compileProtoWriter } from "./proto-encode.ts";
import { ProtoReader } from "./proto-reader.ts";
import { writeBytes } from "./proto-writer.ts";
import { canGenerate } from "./source.ts";

/** The protobuf binary encoding. Unknown fields are kept and written again. */
export const protoCodec: Codec = {
  name: "proto",
  contentType: "application/proto",
  compile: (desc) => {
    type Shape = MessageShape<typeof desc>;
    // protobuf-es walks tables of closures: the same bytes, and the same messages, without code from strings.
    if (!canGenerate) {
      return {
        encode: (message) => toBinary(desc, message),
        decode: (bytes) => fromBinary(desc, Uint8Array.from(bytes)),
      };
    }
    const write = compileProtoWriter(desc);
    const { create, read } = compileProtoReader(desc);
    return {
      encode: (message) => writeBytes(write, message, 0),
      encodeAfter: (prefixBytes, message) => writeBytes(write, message, prefixBytes),
      decode: (bytes) => {
        const message = create();
        read(new ProtoReader(bytes), message, bytes.length, 1, 0);
        return message as Shape;
      },
    };
  },
};
