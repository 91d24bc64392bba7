import type { Path, Tree } from "./tree.ts";
import { isTree } from "./tree.ts";

/**
 * A schema of any library that speaks Standard Schema (standardschema.dev, version 1): Zod, Valibot, ArkType and others; or
 * {@link schemaOf}.
 */
export interface Schema<T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): SchemaResult<T> | Promise<SchemaResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Reads one value: `undefined` when the configuration has none. What it throws is shown with the value's place. */
export type Parser<T> = (value: unknown) => T;

/** A value for each key: its default, which also tells its type; a {@link Parser}; or a map of such. */
export interface Defaults {
  readonly [key: string]: Default;
}

type Default = string | number | boolean | readonly (string | number | boolean)[] | Parser<unknown> | Defaults;

/** What a configuration with these defaults is. */
export type ConfigOf<D> = {
  -readonly [K in keyof D]: D[K] extends Parser<infer T>
    ? T
    : D[K] extends string
      ? string
      : D[K] extends number
        ? number
        : D[K] extends boolean
          ? boolean
          : D[K] extends readonly (infer E)[]
            ? Widen<E>[]
            : ConfigOf<D[K]>;
};

type Widen<E> = E extends string ? string : E extends number ? number : E extends boolean ? boolean : E;

/**
 * A strict schema made of defaults: what is missing gets its default, and a key that is not there, or a value of another type,
 * is refused.
 *
 *     const schema = schemaOf({ server: { address: ":8000", timeoutMs: (value) => parseDuration(value ?? "1s") } });
 */
export function schemaOf<const D extends Defaults>(defaults: D): Schema<ConfigOf<D>> {
  return {
    "~standard": {
      version: 1,
      vendor: "clew",
      validate(value) {
        const issues: SchemaIssue[] = [];
        const result = readMap(defaults, value ?? {}, [], issues);
        return issues.length > 0 ? { issues } : { value: result as ConfigOf<D> };
      },
    },
  };
}

function readMap(defaults: Defaults, value: unknown, path: Path, issues: SchemaIssue[]): unknown {
  if (!isTree(value)) {
    issues.push({ path, message: `must be a map with the keys ${Object.keys(defaults).join(", ")}` });
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(defaults, key)) continue;
    issues.push({ path: [...path, key], message: `is unknown; known here: ${Object.keys(defaults).join(", ")}` });
  }
  return Object.fromEntries(
    Object.entries(defaults).map(([key, one]) => [key, readValue(one, ownValue(value, key), [...path, key], issues)]),
  );
}

function ownValue(tree: Tree, key: string): unknown {
  return Object.hasOwn(tree, key) ? tree[key] : undefined;
}

function readValue(one: Default, value: unknown, path: Path, issues: SchemaIssue[]): unknown {
  if (typeof one === "function") {
    try {
      return one(value);
    } catch (error) {
      issues.push({ path, message: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }
  // A key without a value ("addr:" and nothing behind it) is one that was not given.
  if (value === undefined || value === null)
    return typeof one === "object" && !Array.isArray(one) ? readMap(one as Defaults, {}, path, issues) : one;
  if (Array.isArray(one)) {
    const [sample] = one as readonly unknown[];
    if (Array.isArray(value) && value.every((item) => sample === undefined || typeof item === typeof sample))
      return value;
    issues.push({
      path,
      message: `must be a list${sample === undefined ? "" : ` of ${typeof sample}s`}, not ${JSON.stringify(value)}`,
    });
    return undefined;
  }
  if (typeof one === "object") return readMap(one as Defaults, value, path, issues);
  if (typeof value === typeof one) return value;
  issues.push({ path, message: `must be a ${typeof one}, not ${JSON.stringify(value)}` });
  return undefined;
}
