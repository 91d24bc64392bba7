import type { JsonValue, MessageShape } from "@bufbuild/protobuf";
import { viewAsBuffer } from "./buffer-view.ts";
import type { Codec } from "./codec.ts";
import { JsonReaders } from "./json-decode.ts";
import { JsonWriters } from "./json-encode.ts";
import { rawNumber } from "./json-int64.ts";
import { type JsonCodecOptions, type JsonPolicy, resolveJsonCodecOptions } from "./json-options.ts";
import { refuseDuplicates, refuseSurrogates } from "./json-reader.ts";
import { createJsonTree } from "./json-tree.ts";
import type { ReadJson } from "./json-well-known.ts";
import { type WriteJson, writeJsonBytes, writeJsonText } from "./json-writer.ts";
import { canGenerate } from "./source.ts";

/** The JSON mapping of protobuf (https://protobuf.dev/programming-guides/json/). Empty input is the empty message. */
export function createJsonCodec(options: JsonCodecOptions = {}): Codec {
  const policy = resolveJsonCodecOptions(options);
  return {
    name: "json",
    contentType: "application/json",
    compile: canGenerate ? compiler(policy) : interpreter(policy),
  };
}

/** {@link createJsonCodec} with its defaults. */
export const jsonCodec: Codec = createJsonCodec();

function compiler(policy: JsonPolicy): Codec["compile"] {
  const writers = new JsonWriters(policy);
  const readers = new JsonReaders(policy);
  return (desc) => {
    type Shape = MessageShape<typeof desc>;
    // Made at the first message, as in the proto codec.
    let writer: WriteJson | undefined;
    let reader: ReadJson | undefined;
    return {
      encode: (message) => {
        writer ??= writers.slotOf(desc).write;
        return writeJsonBytes(writer, message);
      },
      encodeText: (message) => {
        writer ??= writers.slotOf(desc).write;
        return writeJsonText(writer, message);
      },
      decode: (bytes) => {
        reader ??= readers.slotOf(desc).read;
        return reader(parse(bytes, policy), 1) as Shape;
      },
    };
  };
}

function interpreter(policy: JsonPolicy): Codec["compile"] {
  const tree = createJsonTree(policy);
  return (desc) => {
    const encodeText = (message: MessageShape<typeof desc>): string =>
      JSON.stringify(tree.toTree(desc, message, rawNumber));
    return {
      encode: (message) => Buffer.from(encodeText(message)),
      encodeText,
      decode: (bytes) => tree.fromTree(desc, parse(bytes, policy) as JsonValue),
    };
  };
}

function parse(bytes: Uint8Array, policy: JsonPolicy): unknown {
  const text = viewAsBuffer(bytes).toString();
  if (text === "") return {};
  const json = JSON.parse(text) as unknown;
  if (policy.rejectUnknownFields) refuseDuplicates(text);
  // Looking for the escape in the text costs little, looking at each string much.
  if (text.includes("\\u") && /\\u[dD][89a-fA-F]/.test(text)) refuseSurrogates(json);
  return json;
}
