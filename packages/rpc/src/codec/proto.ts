import { fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Codec } from "./codec.ts";
import { compileProtoReader, type MessageReading } from "./proto-decode.ts";
import { compileProtoWriter, type WriteMessage } from "./proto-encode.ts";
import { ProtoReader } from "./proto-reader.ts";
import { writeBytes } from "./proto-writer.ts";
import { canGenerate } from "./source.ts";

/** The protobuf binary encoding. Unknown fields are kept and written again. */
export const protoCodec: Codec = {
  name: "proto",
  contentType: "application/proto",
  compile: (desc) => {
    type Shape = MessageShape<typeof desc>;
    // protobuf-es interprets tables of closures instead: the same bytes and messages, without generating code from
    // strings.
    if (!canGenerate) {
      return {
        encode: (message) => toBinary(desc, message),
        decode: (bytes) => fromBinary(desc, new Uint8Array(bytes)),
      };
    }
    // Created at the first message: a service of fifty methods would otherwise generate two hundred functions before it
    // listens, half of which it never calls.
    let writer: WriteMessage | undefined;
    let reading: MessageReading | undefined;
    const read = (reader: ProtoReader): Shape => {
      reading ??= compileProtoReader(desc);
      const message = reading.create();
      reading.read(reader, message, reader.bytes.length, 1, 0);
      return message as Shape;
    };
    return {
      encode: (message) => {
        writer ??= compileProtoWriter(desc);
        return writeBytes(writer, message, 0);
      },
      encodeAfter: (prefixBytes, message) => {
        writer ??= compileProtoWriter(desc);
        return writeBytes(writer, message, prefixBytes);
      },
      decode: (bytes) => read(new ProtoReader(bytes)),
      decodeOwned: (bytes) => read(new ProtoReader(bytes, true)),
    };
  },
};
