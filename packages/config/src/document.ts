import { parseEnv } from "node:util";
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument as parseYaml, Scalar, visit } from "yaml";
import { formatUnknown, rootNotMap, syntaxInvalid } from "./errors.ts";
import type { Layer } from "./source.ts";
import { parseToml } from "./toml.ts";
import { isTree, mergeTrees, type Path, type Tree, UnquotedText, valueAt } from "./tree.ts";
import { createVariablesLayer } from "./variables.ts";

/** The endings of names that tell a format. */
export const extensions: readonly string[] = [".yaml", ".yml", ".json", ".toml", ".env"];

/** The ending that tells a name's format; undefined when none does. `.env.local` is a `.env` as well. */
export function findExtension(name: string): string | undefined {
  const lower = name.toLowerCase();
  return (
    extensions.find((ending) => lower.endsWith(ending)) ?? (/(^|[\\/])\.env\.[\w-]+$/.test(lower) ? ".env" : undefined)
  );
}

export interface DocumentOptions {
  /** In a .env file: only variables that begin so, and their names are meant without it. Default: "", all of them. */
  prefix?: string;
}

/**
 * Reads the text of a configuration file, or of a key in a config centre, as one layer. `name` tells the format by its ending
 * and names the text in errors.
 *
 * @throws CLEW_CONFIG_FORMAT, CLEW_CONFIG_SYNTAX
 */
export function parseDocument(name: string, text: string, options: DocumentOptions = {}): Layer {
  const extension = findExtension(name);
  if (extension === undefined) throw formatUnknown(name, extensions);
  if (extension === ".toml") {
    const { tree, locate } = parseToml(name, text);
    return { over: (under) => mergeTrees(under, tree), locate };
  }
  if (extension === ".env") return parseVariables(name, text, options.prefix ?? "");
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  // JSON is YAML, and the YAML parser knows where things are.
  const document = parseYaml(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw syntaxInvalid(at(problem.pos[0]), extension === ".json" ? "JSON" : "YAML", problem.message, problem);
  }
  if (extension === ".json") checkJson(name, text);
  visit(document, {
    Scalar(_key, node) {
      const isPlain = node.type === Scalar.PLAIN && typeof node.value === "string" && node.value.includes("${");
      if (isPlain) node.value = new UnquotedText(node.value as string);
    },
  });
  const tree = toTree(toValue(document, name), name);
  return {
    over: (under) => mergeTrees(under, tree),
    locate: (path) => {
      const offset = findOffset(document.contents, path);
      return offset === undefined ? undefined : at(offset);
    },
  };
}

function parseVariables(name: string, text: string, prefix: string): Layer {
  const lines = text.split("\n");
  const placeOf = (variable: string): string => {
    // The last of a name is the one that counts.
    const line = lines.findLastIndex((one) => {
      const begin = one.replace(/^\s*(export\s+)?/, "");
      return begin.startsWith(variable) && /^\s*=/.test(begin.slice(variable.length));
    });
    return line === -1 ? name : `${name}:${line + 1}`;
  };
  return createVariablesLayer({ prefix, variables: parseEnv(text), placeOf });
}

// YAML takes more than JSON does: comments, trailing commas. A file called .json is read by other programs as well.
function checkJson(name: string, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const position = /\(line (\d+) column (\d+)\)/.exec(message);
    const place = position === null ? name : `${name}:${position[1]}:${position[2]}`;
    // It quotes what stands around, which may be a secret; so does the error itself.
    throw syntaxInvalid(place, "JSON", message.replace(/, (?:\.\.\.)?".*$/s, ""));
  }
}

function toValue(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that multiply each other beyond measure.
    throw syntaxInvalid(name, "YAML", error instanceof Error ? error.message : String(error), error);
  }
}

function toTree(root: unknown, name: string): Tree {
  if (root === null || root === undefined) return {};
  if (isTree(root)) return root;
  throw rootNotMap(`${name}:1:1`, Array.isArray(root) ? "a list" : `the value ${JSON.stringify(root)}`);
}

/** Where the last key of the path stands, or the item of a list. */
function findOffset(contents: unknown, path: Path): number | undefined {
  let node = contents;
  let offset = 0;
  for (const key of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return undefined;
      offset = (pair.key as Scalar).range?.[0] ?? offset;
      next = pair.value;
    } else if (isSeq(node) && typeof key === "number") {
      next = node.items[key];
      if (next === undefined) return undefined;
      offset = (next as { range?: [number, number, number] }).range?.[0] ?? offset;
    } else return undefined;
    node = next;
  }
  return offset;
}

/** Several layers as one; the last wins. */
export function joinLayers(layers: readonly Layer[]): Layer {
  const findLast = (ask: (layer: Layer) => string | undefined): string | undefined => {
    for (const layer of layers.toReversed()) {
      const found = ask(layer);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    over: (under, shape) => layers.reduce((tree, layer) => layer.over(tree, shape), under),
    locate: (path) => findLast((layer) => layer.locate(path)),
    lookup: (name) => findLast((layer) => layer.lookup?.(name)),
  };
}

/** A layer of values that a program made. */
export function createLayer(name: string, values: Tree): Layer {
  return {
    over: (under) => mergeTrees(under, values),
    locate: (path) => (valueAt(values, path) === undefined ? undefined : name),
  };
}
