import { create, type MessageShape } from "@bufbuild/protobuf";
import { isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, stringify } from "yaml";
import { viewAsBuffer } from "./buffer-view.ts";
import type { Codec } from "./codec.ts";
import { levelLimit } from "./depth-limit.ts";
import { JsonReaders } from "./json-decode.ts";
import { type JsonCodecOptions, resolveJsonCodecOptions } from "./json-options.ts";
import { toJsonTree } from "./json-tree.ts";
import { setOwn } from "./set-own.ts";

/** The same options as those of JSON. */
export type YamlCodecOptions = JsonCodecOptions;

/**
 * Creates a codec for messages as YAML 1.2: the JSON mapping of protobuf, written as YAML. Aliases and duplicate names are
 * refused; tags are ignored. Empty input is the empty message.
 */
export function createYamlCodec(options: YamlCodecOptions = {}): Codec {
  const policy = resolveJsonCodecOptions(options);
  const readers = new JsonReaders(policy);
  return {
    name: "yaml",
    contentType: "application/yaml",
    compile: (desc) => {
      const encodeText = (message: MessageShape<typeof desc>): string => {
        const tree = toJsonTree(desc, message, policy, BigInt);
        const yaml = stringify(tree, keepSign, { lineWidth: 0, aliasDuplicateObjects: false });
        // At the very beginning of the text, the character would be taken for a byte order mark.
        return yaml.startsWith("\uFEFF") ? `---\n${yaml}` : yaml;
      };
      return {
        encode: (message) => Buffer.from(encodeText(message)),
        encodeText,
        decode: (bytes) => {
          const json = parse(viewAsBuffer(bytes).toString());
          const isEmpty = json === null && desc.typeName !== "google.protobuf.Value";
          if (isEmpty) return create(desc);
          return readers.slotOf(desc).read(json, 1) as MessageShape<typeof desc>;
        },
      };
    },
  };
}

/** {@link createYamlCodec} with its defaults. */
export const yamlCodec: Codec = createYamlCodec();

/** A bare -0 would be read as the integer 0. */
function keepSign(_name: unknown, value: unknown): unknown {
  return Object.is(value, -0) ? "-0" : value;
}

const parseOptions = {
  intAsBigInt: true,
  stringKeys: true,
  logLevel: "error",
  // The library compares each key with all keys before it (20,000 keys took 1.5 s), and adds the position to each
  // error.
  uniqueKeys: false,
  prettyErrors: false,
} as const;

/** Refuses a map that has a key twice. */
function refuseTwins(node: unknown): void {
  if (!isCollection(node)) return;
  const isMapping = isMap(node);
  const keys = new Set<unknown>();
  for (const item of node.items) {
    if (!isPair(item)) {
      refuseTwins(item);
      continue;
    }
    const key = isScalar(item.key) ? item.key.value : item.key;
    if (isMapping && keys.has(key)) throw new Error(`the key "${String(key).slice(0, 100)}" is not unique`);
    keys.add(key);
    refuseTwins(item.value);
  }
}

function parse(text: string): unknown {
  let value: unknown;
  try {
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { ...parseOptions, lineCounter });
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      throw new Error(`${error.message} at line ${line}, column ${col}`);
    }
    refuseTwins(document.contents);
    value = document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new Error(`cannot decode YAML: ${cause instanceof RangeError ? tooDeep : (cause as Error).message}`);
  }
  return toJsonValue(value ?? null, 1);
}

const tooDeep = `values are nested more than ${levelLimit} deep`;

/**
 * Converts values that YAML has and JSON does not to those of the JSON mapping: NaN and infinity become text. Only large
 * integers are bigints.
 */
function toJsonValue(value: unknown, depth: number): unknown {
  if (depth > levelLimit) throw new Error(`cannot decode YAML: ${tooDeep}`);
  switch (typeof value) {
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    case "number":
      if (!Number.isFinite(value)) return String(value);
      // For example 1e18: no digit of it is lost.
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;
    case "object": {
      if (value === null) return null;
      if (Array.isArray(value)) return value.map((item) => toJsonValue(item, depth + 1));
      const json = {};
      for (const [name, item] of Object.entries(value)) setOwn(json, name, toJsonValue(item, depth + 1));
      return json;
    }
    default:
      return value;
  }
}
