import { create, type DescField, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import {
  type ListValue,
  ListValueSchema,
  NullValue,
  type Struct,
  StructSchema,
  type Value,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { depthLimit } from "./depth-limit.ts";
import { setOwn } from "./set-own.ts";

/** Whether a field's message is a google.protobuf.Struct, which protobuf-es holds as a plain object. */
export function isJsonStruct(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value";
}

/** Makes the plain object or list as protobuf-es holds it: all numbers are doubles. */
export function settleJson<T extends object>(json: T, depth: number): T {
  const values = json as Record<string, unknown>;
  for (const name in values) {
    // In a message, every value is a level of nesting of its own.
    requireDepth(depth + 1);
    const value = values[name];
    if (typeof value === "bigint") values[name] = Number(value);
    else if (typeof value === "object" && value !== null) settleJson(value, depth + 1);
  }
  return json;
}

function requireDepth(depth: number): void {
  if (depth > depthLimit) throw new Error(`google.protobuf.Value: values are nested more than ${depthLimit} deep`);
}

/** Converts a plain object to the message. */
export function structFromJson(json: JsonObject, depth: number): Struct {
  const struct = create(StructSchema);
  for (const key of Object.keys(json)) setOwn(struct.fields, key, valueFromJson(json[key]!, depth + 1));
  return struct;
}

export function valueFromJson(json: JsonValue | bigint, depth: number): Value {
  requireDepth(depth);
  const value = create(ValueSchema);
  switch (typeof json) {
    case "bigint":
    case "number":
      value.kind = { case: "numberValue", value: Number(json) };
      break;
    case "string":
      value.kind = { case: "stringValue", value: json };
      break;
    case "boolean":
      value.kind = { case: "boolValue", value: json };
      break;
    case "object":
      if (json === null) value.kind = { case: "nullValue", value: NullValue.NULL_VALUE };
      else if (Array.isArray(json)) value.kind = { case: "listValue", value: listFromJson(json, depth) };
      else value.kind = { case: "structValue", value: structFromJson(json, depth) };
  }
  return value;
}

export function listFromJson(json: readonly JsonValue[], depth: number): ListValue {
  const list = create(ListValueSchema);
  for (const item of json) list.values.push(valueFromJson(item, depth + 1));
  return list;
}

/**
 * Converts a message to the plain object. If `isStrict`, values that JSON cannot express are refused: a missing kind, NaN
 * and infinities.
 */
export function structToJson(struct: Struct, isStrict: boolean): JsonObject {
  const json: JsonObject = {};
  for (const key of Object.keys(struct.fields)) setOwn(json, key, valueToJson(struct.fields[key]!, isStrict));
  return json;
}

export function valueToJson({ kind }: Value, isStrict: boolean): JsonValue {
  switch (kind.case) {
    case "structValue":
      return structToJson(kind.value, isStrict);
    case "listValue":
      return kind.value.values.map((value) => valueToJson(value, isStrict));
    case "nullValue":
      return null;
    case undefined:
      if (isStrict) throw new Error("google.protobuf.Value must have a value");
      return null;
    case "numberValue":
      if (isStrict && !Number.isFinite(kind.value)) throw new Error(`google.protobuf.Value cannot be ${kind.value}`);
      return kind.value;
    default:
      return kind.value;
  }
}
