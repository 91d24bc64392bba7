import { variableOverMap } from "./errors.ts";
import type { Layer, Source } from "./source.ts";
import { formatPath, isTree, mergeTrees, type Path, parseScalar, type Tree, UnquotedText, type Value } from "./tree.ts";

export interface EnvOptions {
  /** The variables to read. Default: process.env. */
  variables?: Readonly<Record<string, string | undefined>>;
}

/**
 * Environment variables. `SERVER_HTTP_ADDR` sets `server.http.addr`; upper and lower case are the same, and the keys that the
 * sources before this one have are matched first: `SERVER_READ_TIMEOUT` sets `server.readTimeout` or `server.read_timeout` if
 * there is one.
 *
 * With a prefix (`env("USER_")`), every variable that begins with it sets a key; where no key matches, each `_` begins a new
 * level, or each `__` if there is one: `USER_SERVER__READ_TIMEOUT` makes `server.read_timeout`. Without a prefix only keys that
 * already hold a value are set, since an environment is full of other things.
 *
 * A value is text, unless it replaces a number, a boolean or a list: it is then read as one, a list with commas between its
 * items. Placeholders find variables by their name without the prefix.
 */
export function env(prefix = "", options: EnvOptions = {}): Source {
  return {
    name: prefix === "" ? "environment" : `environment ${prefix}*`,
    load: async () => createEnvLayer(prefix, { ...(options.variables ?? process.env) }),
  };
}

function createEnvLayer(prefix: string, variables: Readonly<Record<string, string | undefined>>): Layer {
  const entries: [name: string, variable: string, value: string][] = [];
  const upperPrefix = prefix.toUpperCase();
  for (const [variable, value] of Object.entries(variables)) {
    if (value === undefined || !variable.toUpperCase().startsWith(upperPrefix)) continue;
    const name = variable.slice(prefix.length);
    if (name !== "") entries.push([name, variable, value]);
  }
  // The same environment gives the same tree, in whatever order the system lists it.
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const byName = new Map(entries.map(([name, , value]) => [name, value]));
  let origins = new Map<string, string>();

  return {
    over(tree) {
      origins = new Map();
      let result = tree;
      for (const [name, variable, text] of entries) {
        const path = matchPath(tree, name) ?? (prefix === "" ? undefined : newPath(tree, name));
        if (path === undefined) continue;
        const old = leafAt(tree, path);
        if (isTree(old)) {
          // PATH or USER beside a map of that name: the variable means something else.
          if (prefix === "") continue;
          throw variableOverMap(
            variable,
            formatPath(path),
            Object.keys(old).map((key) => `${variable}_${key.toUpperCase()}`),
          );
        }
        result = mergeTrees(result, treeOf(path, convert(text, old)));
        origins.set(formatPath(path), variable);
      }
      return result;
    },
    locate(path) {
      const variable = origins.get(formatPath(path));
      return variable === undefined ? undefined : `environment variable ${variable}`;
    },
    lookup: (name) => byName.get(name),
  };
}

/** A key and a part of a variable's name are the same when they differ in case, `_` and `-` only. */
function normalize(name: string): string {
  return name.replace(/[_-]/g, "").toLowerCase();
}

/** The path of keys of the tree that together spell `name`; undefined when there is none. */
function matchPath(tree: Tree, name: string): Path | undefined {
  const parts = name.split(/_+/).filter((part) => part !== "");
  const find = (node: Value | undefined, from: number): Path | undefined => {
    if (from === parts.length) return [];
    if (!isTree(node)) return undefined;
    // The longest key first: "read_timeout" before "read".
    for (let to = parts.length; to > from; to -= 1) {
      const wanted = normalize(parts.slice(from, to).join(""));
      for (const key of Object.keys(node)) {
        if (normalize(key) !== wanted) continue;
        const rest = find(node[key], to);
        if (rest !== undefined) return [key, ...rest];
      }
    }
    return undefined;
  };
  return parts.length === 0 ? undefined : find(tree, 0);
}

/** The path that a name stands for by its own, with existing maps written as they are. */
function newPath(tree: Tree, name: string): Path | undefined {
  const parts = name
    .toLowerCase()
    .split(name.includes("__") ? /__+/ : /_+/)
    .filter((part) => part !== "");
  if (parts.length === 0) return undefined;
  let node: Value | undefined = tree;
  return parts.map((part) => {
    const map: Tree = isTree(node) ? node : {};
    const key = Object.keys(map).find((known) => normalize(known) === normalize(part)) ?? part;
    node = map[key];
    return key;
  });
}

function leafAt(tree: Tree, path: Path): Value | undefined {
  let value: Value | undefined = tree;
  for (const key of path) value = isTree(value) ? value[key] : undefined;
  return value;
}

function treeOf(path: Path, value: Value): Tree {
  return path.reduceRight<Value>((inner, key) => ({ [key]: inner }), value) as Tree;
}

/** The text in the form of the value that it replaces. What does not fit stays text: the schema will say so. */
function convert(text: string, old: Value | undefined): Value {
  if (old instanceof UnquotedText) return parseScalar(text);
  if (Array.isArray(old)) {
    if (text.trim().startsWith("[")) return parseList(text);
    return text === "" ? [] : text.split(",").map((item) => convert(item.trim(), old[0] as Value | undefined));
  }
  if (typeof old === "number" || typeof old === "boolean") {
    const value = parseScalar(text);
    return typeof value === typeof old ? value : text;
  }
  return text;
}

function parseList(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return text;
  }
}
