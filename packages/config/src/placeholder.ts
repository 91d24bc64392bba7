import { placeholderCircle, placeholderMalformed, placeholderNotText, placeholderUnknown } from "./errors.ts";
import { convertText } from "./named-value.ts";
import { type Shape, shapeAt } from "./shape.ts";
import {
  formatPath,
  isTree,
  type Path,
  parsePath,
  parseScalar,
  type Tree,
  UnquotedText,
  type Value,
  valueAt,
} from "./tree.ts";

export interface PlaceholderSources {
  /** Returns the text for a name that is not a key of the tree. */
  lookup(name: string): string | undefined;
  /** Returns where the value at a path was written. */
  locate(path: Path): string;
  /** The shape that the schema knows: the text of a filled placeholder is converted to it. */
  readonly shape?: Shape | undefined;
  /** Called with the value that a placeholder of this name was filled with. */
  onFilled?(name: string, value: Value): void;
}

interface Filling {
  readonly root: Tree;
  readonly sources: PlaceholderSources;
  /** The path of the value that is being filled, for errors. */
  readonly path: Path;
  /** The names of the placeholders that led here. */
  readonly names: readonly string[];
}

/**
 * Returns a copy of the tree with every `${NAME:default}` filled: with the key `NAME` of the tree (`server.http.addr`),
 * otherwise with the value that a source has for that name, otherwise with the default. A value that consists of a single
 * placeholder takes the tree's value with its type. Placeholders inside the found values and inside defaults are filled too.
 * `$${` stands for a plain `${`.
 *
 * @throws CLEW_CONFIG_PLACEHOLDER for an unknown name, a circle, or a malformed placeholder.
 */
export function fillPlaceholders(root: Tree, sources: PlaceholderSources): Tree {
  return fillTree(root, { root, sources, path: [], names: [] });
}

function fillTree(tree: Tree, filling: Filling): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, fill(value, { ...filling, path: [...filling.path, key] })]),
  );
}

function fill(value: Value, filling: Filling): Value {
  if (typeof value === "string" || value instanceof UnquotedText) {
    const text = typeof value === "string" ? value : value.text;
    const filled = fillText(text, filling);
    if (typeof filled !== "string" || filled === text) return filled;
    // With a schema, its type counts. Without one, unquoted text is read as YAML would read it.
    const shape = filling.path.reduce<Shape | undefined>(shapeAt, filling.sources.shape);
    if (shape !== undefined && shape.kind !== "any") return convertText(filled, undefined, shape);
    return typeof value === "string" ? filled : parseScalar(filled);
  }
  if (Array.isArray(value)) {
    return value.map((item: Value, index) => fill(item, { ...filling, path: [...filling.path, index] }));
  }
  return isTree(value) ? fillTree(value, filling) : value;
}

function fillText(text: string, filling: Filling): Value {
  if (!text.includes("${")) return text;
  let filled = "";
  let from = 0;
  for (;;) {
    const start = text.indexOf("${", from);
    if (start === -1) return filled + text.slice(from);
    if (text[start - 1] === "$" && start > from) {
      filled += `${text.slice(from, start - 1)}\${`;
      from = start + 2;
      continue;
    }
    const end = findEnd(text, start + 2);
    if (end === -1) throw malformed(text, filling, "a placeholder is not closed");
    const value = find(text.slice(start + 2, end), text, filling);
    if (start === 0 && end === text.length - 1) return value;
    if (typeof value === "object" && value !== null) throw notText(text.slice(start + 2, end), filling);
    filled += text.slice(from, start) + String(value ?? "");
    from = end + 1;
  }
}

/** The position of the brace that closes the placeholder opened before `from`. Placeholders inside it are skipped. */
function findEnd(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text.startsWith("${", at)) depth += 1;
    else if (text[at] === "}") {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

function find(content: string, text: string, filling: Filling): Value {
  const colon = content.indexOf(":");
  const name = (colon === -1 ? content : content.slice(0, colon)).trim();
  if (name === "") throw malformed(text, filling, "a placeholder has no name");
  if (filling.names.includes(name)) {
    throw placeholderCircle(place(filling), formatPath(filling.path), [...filling.names, name]);
  }
  const inner: Filling = { ...filling, names: [...filling.names, name] };
  const value = valueAt(filling.root, parsePath(name)) as Value | undefined;
  if (value !== undefined) return fill(value, inner);
  const found = filling.sources.lookup(name);
  if (found !== undefined) {
    filling.sources.onFilled?.(name, found);
    return found;
  }
  if (colon === -1) throw placeholderUnknown(place(filling), formatPath(filling.path), name);
  return fillText(content.slice(colon + 1), filling);
}

function place(filling: Filling): string {
  return filling.sources.locate(filling.path);
}

function malformed(text: string, filling: Filling, reason: string): Error {
  return placeholderMalformed(place(filling), formatPath(filling.path), text, reason);
}

function notText(content: string, filling: Filling): Error {
  return placeholderNotText(place(filling), formatPath(filling.path), content.split(":", 1)[0]!);
}
