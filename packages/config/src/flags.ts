import { aText, checkOptions, listOf, nearestNames, type OptionChecks } from "@clew/options";
import { flagOverMap, flagUnknown, flagWithoutValue, optionError } from "./errors.ts";
import { convertText, findPath, isMapAt, keysInstead, knownAt, withValue } from "./named-value.ts";
import type { Shape } from "./shape.ts";
import type { Layer, Source } from "./source.ts";
import { formatPath, isTree, type Tree, type Value } from "./tree.ts";

export interface FlagsOptions {
  /** The arguments to read. Default: those of the process, `process.argv.slice(2)`. */
  args?: readonly string[];
  /** Flags that mean something to the program itself, without `--`; they are left alone. Default: none. */
  own?: readonly string[];
}

const optionChecks: OptionChecks<FlagsOptions> = {
  args: listOf("a list of arguments", aText),
  own: listOf("a list of names", aText),
};

/**
 * Flags of the command line: `--server.http.addr=:8000`, `--server.http.addr :8000`, `--debug`, `--no-debug`, and `--hosts a --hosts b`
 * for a list. A flag sets a key that a source before this one or the schema has; any other is an error that names the nearest.
 * Case, `-` and `_` do not matter. What is no `--flag`, and everything behind a lone `--`, is left to the program.
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
        // A list that was given before on this line goes on.
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

// As deep as anyone writes; a message may contain itself.
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
