// Shared by environment variables, .env files and flags: a name that spells a path, and a text that becomes a value.
import { isSameKey, type Shape, shapeAt } from "./shape.ts";
import { isTree, type Path, parseScalar, type Tree, UnquotedText, type Value } from "./tree.ts";

/**
 * Returns the path of keys, known to the tree or to the schema, that the parts spell together; undefined when there is none.
 * Several parts may form one key (`READ`, `TIMEOUT`: `readTimeout`) unless `isExact`. A number is an index of a list: an
 * existing one, or the next one.
 */
export function findPath(
  tree: Tree,
  shape: Shape | undefined,
  parts: readonly string[],
  isExact = false,
): Path | undefined {
  const find = (node: Value | undefined, known: Shape | undefined, from: number): Path | undefined => {
    if (from === parts.length) return [];
    const part = parts[from]!;
    const isList = Array.isArray(node) || (node === undefined && known?.kind === "list");
    if (isList && /^\d{1,4}$/.test(part)) {
      const list: readonly Value[] = Array.isArray(node) ? node : [];
      const index = Number(part);
      const rest = index <= list.length ? find(list[index], shapeAt(known, index), from + 1) : undefined;
      return rest === undefined ? undefined : [index, ...rest];
    }
    const map: Tree = isTree(node) ? node : {};
    // Longest key first: "read_timeout" before "read".
    for (let to = isExact ? from + 1 : parts.length; to > from; to -= 1) {
      const wanted = parts.slice(from, to).join("");
      for (const key of keysAt(map, known)) {
        if (!isSameKey(key, wanted)) continue;
        const inner = Object.hasOwn(map, key) ? map[key] : undefined;
        const rest = find(inner, shapeAt(known, key), to);
        if (rest !== undefined) return [key, ...rest];
      }
    }
    return undefined;
  };
  return parts.length === 0 ? undefined : find(tree, shape, 0);
}

/** Returns the path that the parts spell when each part is one key. Known keys keep their spelling. */
export function newPath(tree: Tree, shape: Shape | undefined, parts: readonly string[]): Path {
  let node: Value | undefined = tree;
  let known = shape;
  return parts.map((part) => {
    const map: Tree = isTree(node) ? node : {};
    const key = keysAt(map, known).find((name) => isSameKey(name, part)) ?? part;
    node = Object.hasOwn(map, key) ? map[key] : undefined;
    known = shapeAt(known, key);
    return key;
  });
}

/** Returns what the tree and the schema have at a path. */
export function knownAt(
  tree: Tree,
  shape: Shape | undefined,
  path: Path,
): { value: Value | undefined; shape: Shape | undefined } {
  let value: Value | undefined = tree;
  let known = shape;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else value = isTree(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    known = shapeAt(known, key);
  }
  return { value, shape: known };
}

/** Returns a copy of the tree with the value at the path. */
export function withValue(tree: Tree, path: Path, value: Value): Tree {
  const set = (node: Value | undefined, from: number): Value => {
    if (from === path.length) return value;
    const key = path[from]!;
    if (typeof key === "number") {
      const list = Array.isArray(node) ? [...node] : [];
      list[key] = set(list[key], from + 1);
      return list;
    }
    const map: Tree = isTree(node) ? node : {};
    const inner = Object.hasOwn(map, key) ? map[key] : undefined;
    // Assigning `__proto__` would change the prototype instead of setting a key.
    return key === "__proto__" ? map : { ...map, [key]: set(inner, from + 1) };
  };
  return set(tree, 0) as Tree;
}

/** Returns the keys of a map, followed by the keys that the schema knows for it. */
function keysAt(map: Tree, shape: Shape | undefined): string[] {
  return [...Object.keys(map), ...(shape?.keys?.keys() ?? [])];
}

/**
 * Returns the keys of a map that a text cannot replace, see {@link isMapAt}: its own keys if it has any, otherwise those
 * that the schema knows.
 */
export function keysInstead(old: Value | undefined, shape: Shape | undefined): string[] {
  return isTree(old) ? Object.keys(old) : keysAt({}, shape);
}

/** Whether the tree has a map here, or the schema wants one; a text cannot replace a map. */
export function isMapAt(old: Value | undefined, shape: Shape | undefined): boolean {
  return isTree(old) || (old === undefined && shape?.kind === "map");
}

/**
 * Converts the text to the type that the schema wants or, without a schema, to the type of the value that it replaces. Text that does
 * not fit stays text: the schema will report it.
 */
export function convertText(text: string, old: Value | undefined, shape: Shape | undefined): Value {
  const kind = shape === undefined || shape.kind === "any" ? kindOf(old) : shape.kind;
  switch (kind) {
    case "scalar":
      return parseScalar(text);
    case "list": {
      if (text.trim().startsWith("[")) return parseJson(text);
      const sample = Array.isArray(old) ? (old[0] as Value | undefined) : undefined;
      return text === "" ? [] : text.split(",").map((item) => convertText(item.trim(), sample, shape?.items));
    }
    case "number":
    case "boolean": {
      const value = parseScalar(text);
      return typeof value === kind ? value : text;
    }
    default:
      return text;
  }
}

function kindOf(value: Value | undefined): string {
  if (value instanceof UnquotedText) return "scalar";
  return Array.isArray(value) ? "list" : typeof value;
}

function parseJson(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return text;
  }
}
