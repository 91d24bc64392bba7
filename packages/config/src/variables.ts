import { variableOverMap } from "./errors.ts";
import { convertText, findPath, isMapAt, keysInstead, knownAt, newPath, withValue } from "./named-value.ts";
import type { Layer } from "./source.ts";
import { formatPath } from "./tree.ts";

/** Variables that every environment has, whatever program runs in it. */
const ofTheSystem: ReadonlySet<string> = new Set(
  "PATH HOME USER LOGNAME SHELL PWD OLDPWD LANG TERM TZ TMPDIR HOSTNAME MAIL EDITOR PAGER DISPLAY SHLVL".split(" "),
);

export interface VariablesInit {
  /** Only variables that begin with this prefix are read; the prefix is removed from their names. */
  readonly prefix: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Returns where a variable was set, for people. */
  readonly placeOf: (variable: string) => string;
}

/** A layer of variables: those of the environment, or of a .env file. */
export function createVariablesLayer({ prefix, variables, placeOf }: VariablesInit): Layer {
  const entries: [name: string, variable: string, value: string][] = [];
  const upperPrefix = prefix.toUpperCase();
  for (const [variable, value] of Object.entries(variables)) {
    if (value === undefined || !variable.toUpperCase().startsWith(upperPrefix)) continue;
    const name = variable.slice(prefix.length);
    if (name !== "") entries.push([name, variable, value]);
  }
  // Sorted, so that the same environment gives the same tree, in whatever order the system lists its variables.
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const byName = new Map(entries.map(([name, , value]) => [name, value]));
  let origins = new Map<string, string>();

  return {
    over(tree, shape) {
      origins = new Map();
      let result = tree;
      for (const [name, variable, text] of entries) {
        if (prefix === "" && ofTheSystem.has(name)) continue;
        const known = findPath(result, shape, split(name, /_+/));
        const path = known ?? (prefix === "" ? [] : newPath(result, shape, splitNew(name)));
        if (path.length === 0) continue;
        const { value: old, shape: inner } = knownAt(result, shape, path);
        if (isMapAt(old, inner)) {
          // Without a prefix, a variable with the name of a map probably means something else.
          if (prefix === "") continue;
          const better = keysInstead(old, inner).map((key) => `${variable}_${key.toUpperCase()}`);
          throw variableOverMap(placeOf(variable), formatPath(path), better);
        }
        result = withValue(result, path, convertText(text, old, inner));
        origins.set(formatPath(path), variable);
      }
      return result;
    },
    locate(path) {
      const variable = origins.get(formatPath(path));
      return variable === undefined ? undefined : placeOf(variable);
    },
    lookup: (name) => byName.get(name),
  };
}

function split(name: string, separator: RegExp): string[] {
  return name.split(separator).filter((part) => part !== "");
}

function splitNew(name: string): string[] {
  return split(name.toLowerCase(), name.includes("__") ? /__+/ : /_+/);
}
