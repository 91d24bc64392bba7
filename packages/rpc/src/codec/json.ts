import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { viewAsBuffer } from "./buffer-view.ts";
import type { Codec } from "./codec.ts";
import { JsonReaders } from "./json-decode.ts";
import { JsonWriters } from "./json-encode.ts";
import { InexactInteger, parseExactly } from "./json-exact.ts";
import { rawNumber } from "./json-int64.ts";
import { type JsonCodecOptions, type JsonPolicy, resolveJsonCodecOptions } from "./json-options.ts";
import { refuseDuplicates, refuseSurrogates } from "./json-reader.ts";
import { toJsonTree } from "./json-tree.ts";
import type { ReadJson } from "./json-well-known.ts";
import { type WriteJson, writeJsonBytes, writeJsonText } from "./json-writer.ts";
import { canGenerate } from "./source.ts";

/**
 * Creates a codec for the JSON mapping of protobuf (https://protobuf.dev/programming-guides/json/). Empty input is the
 * empty message.
 */
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
  const decoder = decoders(policy);
  return (desc) => {
    // Created at the first message, as in the proto codec.
    let writer: WriteJson | undefined;
    return {
      encode: (message) => {
        writer ??= writers.slotOf(desc).write;
        return writeJsonBytes(writer, message);
      },
      encodeText: (message) => {
        writer ??= writers.slotOf(desc).write;
        return writeJsonText(writer, message);
      },
      decode: decoder(desc),
    };
  };
}

function interpreter(policy: JsonPolicy): Codec["compile"] {
  const decoder = decoders(policy);
  return (desc) => {
    const encodeText = (message: MessageShape<typeof desc>): string =>
      JSON.stringify(toJsonTree(desc, message, policy, rawNumber));
    return {
      encode: (message) => Buffer.from(encodeText(message)),
      encodeText,
      decode: decoder(desc),
    };
  };
}

function decoders(policy: JsonPolicy): <T extends DescMessage>(desc: T) => (bytes: Uint8Array) => MessageShape<T> {
  const readers = new JsonReaders(policy);
  return <T extends DescMessage>(desc: T) => {
    let read: ReadJson | undefined;
    return (bytes) => {
      read ??= readers.slotOf(desc).read;
      const text = viewAsBuffer(bytes).toString();
      const json = text === "" ? {} : parse(text, policy);
      try {
        return read(json, 1) as MessageShape<T>;
      } catch (error) {
        if (!(error instanceof InexactInteger)) throw error;
        return read(parseExactly(text), 1) as MessageShape<T>;
      }
    };
  };
}

function parse(text: string, policy: JsonPolicy): unknown {
  const json = JSON.parse(text) as unknown;
  if (policy.rejectUnknownFields) refuseDuplicates(text);
  // Searching the text for the escape costs little; checking each string costs much.
  if (text.includes("\\u") && /\\u[dD][89a-fA-F]/.test(text)) refuseSurrogates(json);
  return json;
}
