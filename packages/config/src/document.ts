import { parseEnv } from "node:util";
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument as parseYaml, Scalar, visit } from "yaml";
import { formatUnknown, rootNotMap, syntaxInvalid } from "./errors.ts";
import type { Layer } from "./source.ts";
import { parseToml } from "./toml.ts";
import { isTree, mergeTrees, type Path, type Tree, UnquotedText, valueAt } from "./tree.ts";
import { createVariablesLayer } from "./variables.ts";

/** The file name endings that select a format. */
export const extensions: readonly string[] = [".yaml", ".yml", ".json", ".toml", ".env"];

/**
 * The ending that selects the format of a name; undefined when it has no known ending. `.env.local` counts as `.env`.
 */
export function findExtension(name: string): string | undefined {
  const lower = name.toLowerCase();
  return (
    extensions.find((ending) => lower.endsWith(ending)) ?? (/(^|[\\/])\.env\.[\w-]+$/.test(lower) ? ".env" : undefined)
  );
}

export interface DocumentOptions {
  /**
   * Only for .env files: read only variables that begin with this prefix, and remove it from their names. Default: "",
   * all variables.
   */
  prefix?: string;
}

/**
 * Reads the text of a configuration file, or of a key in a config centre, as one layer. The ending of `name` selects the
 * format, and errors refer to the text by `name`.
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
  // JSON is read as YAML, because the YAML parser knows the positions of keys.
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
    // If a name occurs several times, the last one counts.
    const line = lines.findLastIndex((one) => {
      const begin = one.replace(/^\s*(export\s+)?/, "");
      return begin.startsWith(variable) && /^\s*=/.test(begin.slice(variable.length));
    });
    return line === -1 ? name : `${name}:${line + 1}`;
  };
  return createVariablesLayer({ prefix, variables: parseEnv(text), placeOf });
}

// YAML accepts more than JSON: comments, trailing commas. Other programs read a file called .json as well, so it must
// be JSON.
function checkJson(name: string, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const position = /\(line (\d+) column (\d+)\)/.exec(message);
    const place = position === null ? name : `${name}:${position[1]}:${position[2]}`;
    // The message quotes the surrounding text, which may be a secret. So does the error itself, which is why it is not
    // the cause.
    throw syntaxInvalid(place, "JSON", message.replace(/, (?:\.\.\.)?".*$/s, ""));
  }
}

function toValue(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Thrown for aliases that multiply each other beyond the parser's limit.
    throw syntaxInvalid(name, "YAML", error instanceof Error ? error.message : String(error), error);
  }
}

function toTree(root: unknown, name: string): Tree {
  if (root === null || root === undefined) return {};
  if (isTree(root)) return root;
  throw rootNotMap(`${name}:1:1`, Array.isArray(root) ? "a list" : `the value ${JSON.stringify(root)}`);
}

/** The position of the last key of the path, or of the list item. */
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

/** Several layers as one; the last one wins. */
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

/** A layer of values that the program itself made. */
export function createLayer(name: string, values: Tree): Layer {
  return {
    over: (under) => mergeTrees(under, values),
    locate: (path) => (valueAt(values, path) === undefined ? undefined : name),
  };
}
