import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { JsonPolicy } from "./json-options.ts";

const int64: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
  ScalarType.SINT64,
]);

// A number of any size: JSON.stringify writes its digits. In JavaScript since 2025, in Node since 21, in no type yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): JsonValue };

/** The JSON of a message with its integers of 64 bits as numbers instead of as strings. */
export function int64ToNumbers(desc: DescMessage, json: JsonValue, policy: JsonPolicy): JsonValue {
  if (isWrapperDesc(desc)) return int64.has(desc.fields[0]!.scalar) ? rawJSON(String(json)) : json;
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  if (desc.typeName === "google.protobuf.Struct" || desc.typeName === "google.protobuf.Value") return json;
  if (desc.typeName === "google.protobuf.Any") {
    const { "@type": url, ...fields } = json;
    const inner = policy.types?.getMessage(String(url).slice(String(url).lastIndexOf("/") + 1));
    if (inner === undefined) return json;
    return { "@type": url!, ...(int64ToNumbers(inner, fields, policy) as object) };
  }
  for (const field of desc.fields) {
    const name = policy.useProtoFieldNames ? field.name : field.jsonName;
    if (Object.hasOwn(json, name)) json[name] = fieldToNumbers(field, json[name]!, policy);
  }
  return json;
}

function fieldToNumbers(field: DescField, json: JsonValue, policy: JsonPolicy): JsonValue {
  const convert = (value: JsonValue): JsonValue => {
    if (field.message !== undefined) return int64ToNumbers(field.message, value, policy);
    return int64.has(field.scalar) ? rawJSON(String(value)) : value;
  };
  if (field.fieldKind === "list") return (json as JsonValue[]).map(convert);
  if (field.fieldKind !== "map") return convert(json);
  return Object.fromEntries(Object.entries(json as object).map(([key, value]) => [key, convert(value as JsonValue)]));
}
