import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument as parseYaml, Scalar, visit } from "yaml";
import { formatUnknown, rootNotMap, syntaxInvalid } from "./errors.ts";
import type { Layer } from "./source.ts";
import { isTree, mergeTrees, type Path, type Tree, UnquotedText, type Value } from "./tree.ts";

/** The endings of names that tell a format. */
export const extensions: readonly string[] = [".yaml", ".yml", ".json"];

/**
 * Reads the text of a configuration file, or of a key in a config centre, as one layer. `name` tells the format by its ending
 * and names the text in errors.
 *
 * @throws CLEW_CONFIG_FORMAT, CLEW_CONFIG_SYNTAX
 */
export function parseDocument(name: string, text: string): Layer {
  const extension = extensions.find((ending) => name.toLowerCase().endsWith(ending));
  if (extension === undefined) throw formatUnknown(name, extensions);
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

// YAML takes more than JSON does: comments, trailing commas. A file called .json is read by other programs as well.
function checkJson(name: string, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const position = /\(line (\d+) column (\d+)\)/.exec(message);
    const place = position === null ? name : `${name}:${position[1]}:${position[2]}`;
    throw syntaxInvalid(place, "JSON", message, error);
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

/** Several layers of one source as one; the last wins. */
export function joinLayers(layers: readonly Layer[]): Layer {
  return {
    over: (under) => layers.reduce((tree, layer) => layer.over(tree), under),
    locate: (path) => layers.findLast((layer) => layer.locate(path) !== undefined)?.locate(path),
  };
}

/** A layer of values that a program made. */
export function createLayer(name: string, values: Tree): Layer {
  return {
    over: (under) => mergeTrees(under, values),
    locate: (path) => (hasPath(values, path) ? name : undefined),
  };
}

function hasPath(values: Value, path: Path): boolean {
  let value: Value | undefined = values;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isTree(value) && Object.hasOwn(value, key)) value = value[key];
    else return false;
  }
  return value !== undefined;
}
