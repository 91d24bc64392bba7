import { nearestNames } from "@clew/options";
import { anyShape, type Shape, shapeOfJsonSchema } from "./shape.ts";
import { isTree, type Path, type Tree } from "./tree.ts";

/**
 * A schema of any library that implements Standard Schema (standardschema.dev, version 1), such as Zod, Valibot or ArkType;
 * {@link schemaOf}; or `protoSchema`. If the schema also offers its JSON Schema (Zod does), environment variables and flags can
 * set keys that no file has.
 */
export interface Schema<T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): SchemaResult<T> | Promise<SchemaResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
    /** Standard JSON Schema, version 1. */
    readonly jsonSchema?: { input(options: JsonSchemaOptions): Record<string, unknown> } | undefined;
    /** Clew's own schemas, with vendor "clew", describe their keys by this, and refuse unknown keys themselves. */
    readonly shape?: Shape;
  };
}

export interface JsonSchemaOptions {
  readonly target: string;
  readonly libraryOptions?: Record<string, unknown>;
}

/** The shape that a schema has before it sees a value; undefined when the schema does not offer one. */
export function shapeOf(schema: Schema<unknown>): Shape | undefined {
  const { shape, jsonSchema } = schema["~standard"];
  if (shape !== undefined) return shape;
  try {
    // For Zod: a Date, or another type that JSON Schema cannot express, is treated as any value.
    const libraryOptions = { unrepresentable: "any" };
    const json = jsonSchema?.input({ target: "draft-2020-12", libraryOptions });
    return json === undefined ? undefined : shapeOfJsonSchema(json);
  } catch {
    // The schema has a part that JSON Schema cannot express. It still validates.
    return undefined;
  }
}

export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * Reads one value; it gets `undefined` when the configuration has none. Its error is reported with the place of the
 * value.
 */
export type Parser<T> = (value: unknown) => T;

/** For each key its default value, which also determines the type; or a {@link Parser}; or a map of such entries. */
export interface Defaults {
  readonly [key: string]: Default;
}

type Default = string | number | boolean | readonly (string | number | boolean)[] | Parser<unknown> | Defaults;

/** The type of a configuration with these defaults. */
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
 * Makes a strict schema of default values: a missing key gets its default; an unknown key and a value of another type are
 * refused.
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
      shape: shapeOfDefaults(defaults),
    },
  };
}

function shapeOfDefaults(defaults: Defaults): Shape {
  return { kind: "map", keys: new Map(Object.entries(defaults).map(([key, one]) => [key, shapeOfDefault(one)])) };
}

function shapeOfDefault(one: Default): Shape {
  if (typeof one === "function") return anyShape;
  if (Array.isArray(one)) {
    const [sample] = one as readonly (string | number | boolean)[];
    return { kind: "list", items: sample === undefined ? anyShape : shapeOfDefault(sample) };
  }
  if (typeof one === "object") return shapeOfDefaults(one as Defaults);
  return { kind: typeof one === "string" ? "text" : (typeof one as "number" | "boolean") };
}

/** Returns the keys of the tree that the schema does not know, at every depth. */
export function findUnknownKeys(tree: Tree, shape: Shape): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const visit = (value: unknown, known: Shape | undefined, path: Path): void => {
    if (known === undefined) return;
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) visit(item, known.items, [...path, index]);
    } else if (isTree(value) && known.kind === "map") {
      for (const [key, inner] of Object.entries(value)) {
        const below = known.keys?.get(key) ?? known.others;
        if (below !== undefined) visit(inner, below, [...path, key]);
        else issues.push({ path: [...path, key], message: describeUnknownKey(key, [...(known.keys?.keys() ?? [])]) });
      }
    }
  };
  visit(tree, shape, []);
  return issues;
}

/**
 * Returns the keys of the tree that the schema dropped from its result without an error, because it does not know them.
 * Where the schema made something other than a map of a map, dropped keys cannot be found.
 */
export function findDroppedKeys(tree: Tree, result: unknown): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const visit = (value: unknown, made: unknown, path: Path): void => {
    if (typeof value !== "object" || value === null || typeof made !== "object" || made === null) return;
    if (Array.isArray(value) !== Array.isArray(made)) return;
    const prototype: unknown = Object.getPrototypeOf(made);
    if (!Array.isArray(made) && prototype !== Object.prototype && prototype !== null) return;
    for (const [key, inner] of Object.entries(value)) {
      const at = [...path, Array.isArray(value) ? Number(key) : key];
      if (Object.hasOwn(made, key)) visit(inner, (made as Record<string, unknown>)[key], at);
      else if (!Array.isArray(value)) issues.push({ path: at, message: describeUnknownKey(key, Object.keys(made)) });
    }
  };
  visit(tree, result, []);
  return issues;
}

function readMap(defaults: Defaults, value: unknown, path: Path, issues: SchemaIssue[]): unknown {
  if (!isTree(value)) {
    issues.push({ path, message: `must be a map with the keys ${Object.keys(defaults).join(", ")}` });
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(defaults, key)) continue;
    issues.push({ path: [...path, key], message: describeUnknownKey(key, Object.keys(defaults)) });
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
  // A key without a value ("addr:" with nothing after it) counts as missing.
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

/** The error for an unknown key: `is unknown; did you mean address? known here: address, port`. */
export function describeUnknownKey(key: string, known: readonly string[]): string {
  const [nearest] = nearestNames(key, known, 1);
  return `is unknown;${nearest === undefined ? "" : ` did you mean ${nearest}?`} known here: ${known.join(", ")}`;
}
