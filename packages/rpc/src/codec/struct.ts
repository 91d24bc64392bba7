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
import { setOwn } from "./set-own.ts";

/** Whether a field's message is a google.protobuf.Struct that protobuf-es holds as a plain object. */
export function isJsonStruct(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value";
}

/** The message for a plain object. */
export function structFromJson(json: JsonObject): Struct {
  const struct = create(StructSchema);
  for (const key of Object.keys(json)) setOwn(struct.fields, key, valueFromJson(json[key]!));
  return struct;
}

function valueFromJson(json: JsonValue): Value {
  const value = create(ValueSchema);
  switch (typeof json) {
    case "number":
      value.kind = { case: "numberValue", value: json };
      break;
    case "string":
      value.kind = { case: "stringValue", value: json };
      break;
    case "boolean":
      value.kind = { case: "boolValue", value: json };
      break;
    case "object":
      if (json === null) value.kind = { case: "nullValue", value: NullValue.NULL_VALUE };
      else if (Array.isArray(json)) value.kind = { case: "listValue", value: listFromJson(json) };
      else value.kind = { case: "structValue", value: structFromJson(json) };
  }
  return value;
}

function listFromJson(json: readonly JsonValue[]): ListValue {
  const list = create(ListValueSchema);
  for (const item of json) list.values.push(valueFromJson(item));
  return list;
}

/** The plain object for a message. A value without a kind is null. */
export function structToJson(struct: Struct): JsonObject {
  const json: JsonObject = {};
  for (const key of Object.keys(struct.fields)) setOwn(json, key, valueToJson(struct.fields[key]!));
  return json;
}

function valueToJson({ kind }: Value): JsonValue {
  switch (kind.case) {
    case "structValue":
      return structToJson(kind.value);
    case "listValue":
      return kind.value.values.map(valueToJson);
    case "nullValue":
    case undefined:
      return null;
    default:
      return kind.value;
  }
}
