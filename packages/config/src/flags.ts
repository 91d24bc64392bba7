import { aText, checkOptions, listOf, nearestNames, type OptionChecks } from "@clew/options";
import { flagOverMap, flagUnknown, flagWithoutValue, optionError } from "./errors.ts";
import { convertText, findPath, isMapAt, keysInstead, knownAt, withValue } from "./named-value.ts";
import type { Shape } from "./shape.ts";
import type { Layer, Source } from "./source.ts";
import { formatPath, isTree, type Tree, type Value } from "./tree.ts";

export interface FlagsOptions {
  /** The arguments to read. Default: `process.argv.slice(2)`. */
  args?: readonly string[];
  /** Names, without `--`, of flags that the program reads itself; this source ignores them. Default: none. */
  own?: readonly string[];
}

const optionChecks: OptionChecks<FlagsOptions> = {
  args: listOf("a list of arguments", aText),
  own: listOf("a list of names", aText),
};

/**
 * Reads flags of the command line: `--server.http.addr=:8000`, `--server.http.addr :8000`, `--debug`, `--no-debug`, and `--hosts a
 * --hosts b` for a list. A flag sets a key that an earlier source or the schema has; any other flag is an error that names the nearest
 * key. Case, `-` and `_` do not matter. Arguments that are not a `--flag`, and everything after a lone `--`, are left to the program.
 *
 * @throws CLEW_CONFIG_OPTION
 */
export function flags(options: FlagsOptions = {}): Source {
  checkOptions("flags", options, optionChecks, optionError);
  const args = options.args ?? process.argv.slice(2);
  const own = new Set(options.own);
  return { name: "flags", load: async () => createFlagsLayer([...args], own) };
}

function createFlagsLayer(args: readonly string[], own: ReadonlySet<string>): Layer {
  let origins = new Map<string, string>();
  return {
    over(tree, shape) {
      origins = new Map();
      let result = tree;
      for (let at = 0; at < args.length; at += 1) {
        const arg = args[at]!;
        if (arg === "--") break;
        if (!arg.startsWith("--")) continue;
        const equals = arg.indexOf("=");
        const name = arg.slice(2, equals === -1 ? undefined : equals);
        if (own.has(name)) continue;
        const { path, isNegated } = find(tree, shape, name);
        const { value: old, shape: known } = knownAt(tree, shape, path);
        if (isMapAt(old, known)) throw flagOverMap(name, keysInstead(old, known));
        const isSwitch = known?.kind === "boolean" || typeof old === "boolean";
        const next = args[at + 1];
        let text: string;
        if (isNegated) text = "false";
        else if (equals !== -1) text = arg.slice(equals + 1);
        else if (isSwitch) text = "true";
        else if (next !== undefined && !next.startsWith("--")) {
          text = next;
          at += 1;
        } else throw flagWithoutValue(name);
        let value = convertText(text, old, known);
        const key = formatPath(path);
        // The list was begun by an earlier flag of this command line: this one adds an item.
        if (Array.isArray(value) && origins.has(key)) {
          value = [...(knownAt(result, shape, path).value as readonly Value[]), ...value];
        }
        result = withValue(result, path, value);
        origins.set(key, name);
      }
      return result;
    },
    locate(path) {
      const name = origins.get(formatPath(path));
      return name === undefined ? undefined : `flag --${name}`;
    },
  };
}

function find(
  tree: Tree,
  shape: Shape | undefined,
  name: string,
): { path: readonly (string | number)[]; isNegated: boolean } {
  const path = findPath(tree, shape, name.split("."), true);
  if (path !== undefined) return { path, isNegated: false };
  if (name.startsWith("no-")) {
    const negated = findPath(tree, shape, name.slice(3).split("."), true);
    if (negated !== undefined) {
      const { value, shape: known } = knownAt(tree, shape, negated);
      if (known?.kind === "boolean" || typeof value === "boolean") return { path: negated, isNegated: true };
    }
  }
  const known = [...new Set([...leaves(tree), ...shapeLeaves(shape)])].sort();
  throw flagUnknown(name, nearestNames(name, known), known);
}

function* leaves(node: Value | undefined, prefix = ""): Generator<string> {
  if (!isTree(node)) yield prefix;
  else for (const [key, inner] of Object.entries(node)) yield* leaves(inner, prefix === "" ? key : `${prefix}.${key}`);
}

// Deeper than anyone writes. Needed because a message may contain itself.
const maxDepth = 8;

function* shapeLeaves(shape: Shape | undefined, prefix = "", depth = 0): Generator<string> {
  if (shape?.kind !== "map") {
    if (prefix !== "") yield prefix;
  } else if (depth < maxDepth) {
    for (const [key, inner] of shape.keys ?? []) {
      yield* shapeLeaves(inner, prefix === "" ? key : `${prefix}.${key}`, depth + 1);
    }
  }
}
