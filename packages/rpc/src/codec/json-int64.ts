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

// In JavaScript since 2025, in Node since 21, in no type yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** A number of any size: JSON.stringify writes its digits. */
export function rawNumber(digits: string): unknown {
  return rawJSON(digits);
}

/** The JSON of a message with its integers of 64 bits as what `toNumber` makes of their digits, instead of as strings. */
export function int64ToNumbers(
  desc: DescMessage,
  json: JsonValue,
  policy: JsonPolicy,
  toNumber: (digits: string) => unknown,
): JsonValue {
  return convert(desc, json, policy, (digits) => {
    if (policy.int64AsNumber === "safe" && !Number.isSafeInteger(Number(digits))) return digits;
    return toNumber(String(digits)) as JsonValue;
  });
}

type ToNumber = (digits: JsonValue) => JsonValue;

function convert(desc: DescMessage, json: JsonValue, policy: JsonPolicy, toNumber: ToNumber): JsonValue {
  if (isWrapperDesc(desc)) return int64.has(desc.fields[0]!.scalar) ? toNumber(json) : json;
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  if (desc.typeName === "google.protobuf.Struct" || desc.typeName === "google.protobuf.Value") return json;
  if (desc.typeName === "google.protobuf.Any") {
    const { "@type": url, ...fields } = json;
    const inner = policy.types?.getMessage(String(url).slice(String(url).lastIndexOf("/") + 1));
    if (inner === undefined) return json;
    return { "@type": url!, ...(convert(inner, fields, policy, toNumber) as object) };
  }
  for (const field of desc.fields) {
    const name = policy.useProtoFieldNames ? field.name : field.jsonName;
    if (Object.hasOwn(json, name)) json[name] = convertField(field, json[name]!, policy, toNumber);
  }
  return json;
}

function convertField(field: DescField, json: JsonValue, policy: JsonPolicy, toNumber: ToNumber): JsonValue {
  const convertValue = (value: JsonValue): JsonValue => {
    if (field.message !== undefined) return convert(field.message, value, policy, toNumber);
    return int64.has(field.scalar) ? toNumber(value) : value;
  };
  if (field.fieldKind === "list") return (json as JsonValue[]).map(convertValue);
  if (field.fieldKind !== "map") return convertValue(json);
  return Object.fromEntries(
    Object.entries(json as object).map(([key, value]) => [key, convertValue(value as JsonValue)]),
  );
}
