/** One value of a configuration: a JSON value, or text that had no quotes in its file. */
export type Value = null | boolean | number | string | UnquotedText | readonly Value[] | Tree;

/** A map of a configuration. */
export interface Tree {
  readonly [key: string]: Value;
}

/** The path to a value: the keys of maps and the indexes of lists. */
export type Path = readonly (string | number)[];

/**
 * Text with a placeholder that had no quotes in its YAML file. Once its placeholders are filled, it is read as YAML would
 * read it: `port: ${PORT:8000}` is a number, `port: "${PORT:8000}"` is text.
 */
export class UnquotedText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof UnquotedText);
}

/**
 * Merges `over` into `under`: maps are merged, any other value of `over` replaces the old one. Neither argument is
 * changed.
 */
export function mergeTrees(under: Tree, over: Tree): Tree {
  const merged: Record<string, Value> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    // Assigning `__proto__` would change the prototype instead of setting a key.
    if (key === "__proto__") continue;
    const old = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isTree(value) && isTree(old) ? mergeTrees(old, value) : value;
  }
  return merged;
}

/** The value at a path; undefined when there is none. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** Splits `server.http.addr` into its path. The empty key is the path of the whole configuration. */
export function parsePath(key: string): Path {
  return key === "" ? [] : key.split(".");
}

/** Writes a path for people: `server.http.addr`, `hosts[0].name`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const key of path) text += typeof key === "number" ? `[${key}]` : text === "" ? key : `.${key}`;
  return text;
}

/** Reads text as YAML reads a plain scalar: a number, true, false, null, or the text. */
export function parseScalar(text: string): null | boolean | number | string {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  if (/^(null|Null|NULL|~)$/.test(text)) return null;
  if (/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text)) return Number(text);
  return text;
}
