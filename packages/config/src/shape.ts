/**
 * What a schema knows about a value in advance. Environment variables and flags use it to find keys that no file has, and to
 * convert text to the wanted type.
 */
export interface Shape {
  /** "any": nothing more is known about the value. */
  readonly kind: "text" | "number" | "boolean" | "list" | "map" | "any";
  /** The keys of a map. */
  readonly keys?: ReadonlyMap<string, Shape>;
  /** The shape of the values under all other keys of a map. Without it, a map with `keys` has no other keys. */
  readonly others?: Shape;
  /** The items of a list. */
  readonly items?: Shape;
  /** The value must never be shown, not even in errors. */
  readonly isSecret?: boolean;
}

export const anyShape: Shape = Object.freeze({ kind: "any" });

/** The shape of a key or item below a shape; undefined when nothing is known about it. */
export function shapeAt(shape: Shape | undefined, key: string | number): Shape | undefined {
  if (shape === undefined) return undefined;
  if (typeof key === "number") return shape.items;
  const exact = shape.keys?.get(key);
  if (exact !== undefined) return exact;
  for (const [name, inner] of shape.keys ?? []) if (isSameKey(name, key)) return inner;
  return shape.others;
}

/** Whether two spellings are the same key: they may differ only in case, `_` and `-`. */
export function isSameKey(a: string, b: string): boolean {
  return normalizeKey(a) === normalizeKey(b);
}

function normalizeKey(key: string): string {
  return key.replace(/[_-]/g, "").toLowerCase();
}

interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

/** Converts a JSON Schema (2020-12) to a shape, as far as it says something. */
export function shapeOfJsonSchema(root: unknown): Shape {
  const shapes = new Map<string, Shape>();
  const read = (schema: JsonSchema | boolean | undefined): Shape => {
    if (typeof schema !== "object" || schema === null) return anyShape;
    if (schema.$ref !== undefined) return readReference(schema.$ref);
    // anyOf, oneOf or allOf: null beside one other type leaves that type.
    const options = (schema.anyOf ?? schema.oneOf)?.filter(({ type }) => type !== "null");
    if (options?.length === 1) return read(options[0]);
    if (options !== undefined || schema.allOf !== undefined) return anyShape;
    const types = [schema.type ?? []].flat().filter((type) => type !== "null");
    switch (types.length === 1 ? types[0] : undefined) {
      case "object":
        return readObject(schema);
      case "array":
        return { kind: "list", items: read(schema.items) };
      case "string":
        return { kind: "text" };
      case "number":
      case "integer":
        return { kind: "number" };
      case "boolean":
        return { kind: "boolean" };
      default:
        return anyShape;
    }
  };
  const readObject = ({ properties, additionalProperties }: JsonSchema): Shape => {
    const others = typeof additionalProperties === "object" ? read(additionalProperties) : anyShape;
    const isOpen = properties === undefined ? additionalProperties !== false : Boolean(additionalProperties);
    const keys = new Map(Object.entries(properties ?? {}).map(([key, inner]) => [key, read(inner)]));
    return isOpen ? { kind: "map", keys, others } : { kind: "map", keys };
  };
  const readReference = (reference: string): Shape => {
    // A map that contains itself is followed only once.
    const known = shapes.get(reference);
    if (known !== undefined) return known;
    shapes.set(reference, anyShape);
    const name = /^#\/\$defs\/(.+)$/.exec(reference)?.[1];
    const shape = name === undefined ? anyShape : read((root as JsonSchema).$defs?.[name]);
    shapes.set(reference, shape);
    return shape;
  };
  return read(root as JsonSchema);
}
