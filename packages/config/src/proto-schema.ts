import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { parseDuration } from "./duration.ts";
import { describeUnknownKey, type Schema, type SchemaIssue } from "./schema.ts";
import { anyShape, type Shape } from "./shape.ts";
import { isTree, type Path } from "./tree.ts";

/**
 * Makes a strict schema of a protobuf message, such as Kratos's `conf.proto`. Keys and values are those of the message's JSON
 * form: `read_timeout` and `readTimeout` are the same field, and a bad value or an unknown key is an error that names its place. A
 * google.protobuf.Duration also accepts what `parseDuration` reads: "200ms", "1h30m". Errors never show fields with
 * `debug_redact`.
 *
 *     const config = await loadConfig({ sources: [file("configs")], schema: protoSchema(BootstrapSchema) });
 *     config.snapshot.server?.http?.addr;
 */
export function protoSchema<D extends DescMessage>(message: D): Schema<MessageShape<D>> {
  return {
    "~standard": {
      version: 1,
      vendor: "clew",
      validate(value) {
        const issues: SchemaIssue[] = [];
        const json = readMessage(message, value, [], issues);
        if (issues.length > 0) return { issues };
        try {
          return { value: fromJson(message, json) };
        } catch (error) {
          // An error that concerns several fields at once, such as two fields of one oneof.
          return { issues: [{ message: reasonOf(error) }] };
        }
      },
      shape: shapeOfMessage(message, new Map()),
    },
  };
}

/** Converts the value to protobuf's JSON form. Adds errors to `issues`. */
function readMessage(message: DescMessage, value: unknown, path: Path, issues: SchemaIssue[]): JsonObject {
  const json: JsonObject = {};
  const names = message.fields.map(({ jsonName }) => jsonName);
  if (value !== undefined && value !== null && !isTree(value)) {
    issues.push({ path, message: `must be a map with the keys ${names.join(", ")}` });
    return json;
  }
  for (const [key, inner] of Object.entries(value ?? {})) {
    const field = message.fields.find(({ name, jsonName }) => key === jsonName || key === name);
    if (field === undefined) issues.push({ path: [...path, key], message: describeUnknownKey(key, names) });
    else if (Object.hasOwn(json, field.jsonName)) {
      issues.push({ path: [...path, key], message: `is given twice, as ${field.jsonName} and as ${field.name}` });
      // A key without a value counts as missing.
    } else if (inner !== null) json[field.jsonName] = readField(field, inner, [...path, key], issues);
  }
  return json;
}

function readField(field: DescField, value: unknown, path: Path, issues: SchemaIssue[]): JsonValue {
  if (field.fieldKind === "list") {
    if (Array.isArray(value)) return value.map((item, index) => readItem(field, item, [...path, index], issues));
    issues.push({ path, message: `must be a list, not ${JSON.stringify(value)}` });
    return null;
  }
  if (field.fieldKind === "map") {
    if (isTree(value)) {
      const entries = Object.entries(value);
      return Object.fromEntries(entries.map(([key, item]) => [key, readItem(field, item, [...path, key], issues)]));
    }
    issues.push({ path, message: `must be a map, not ${JSON.stringify(value)}` });
    return null;
  }
  return readItem(field, value, path, issues);
}

/** Reads a value that is not a list: that of a field, or an item of its list or map. */
function readItem(field: DescField, value: unknown, path: Path, issues: SchemaIssue[]): JsonValue {
  const { message } = field;
  if (message?.typeName === "google.protobuf.Duration") return readDuration(value, path, issues);
  if (message !== undefined && !hasOwnJson(message)) return readMessage(message, value, path, issues);
  const read = field.scalar === ScalarType.BOOL ? readBoolean(value) : (value as JsonValue);
  const one = field.fieldKind === "list" ? [read] : field.fieldKind === "map" ? { [path.at(-1)!]: read } : read;
  try {
    fromJson(field.parent, { [field.jsonName]: one });
  } catch (error) {
    issues.push({ path, message: reasonOf(error) });
  }
  return read;
}

function readBoolean(value: unknown): JsonValue {
  return value === "true" || value === "false" ? value === "true" : (value as JsonValue);
}

function readDuration(value: unknown, path: Path, issues: SchemaIssue[]): JsonValue {
  // Negative values too, as in protobuf's JSON.
  if (typeof value === "string" && /^-?\d{1,12}(\.\d{1,9})?s$/.test(value)) return value;
  try {
    // A number has no unit: protobuf would read it as seconds, but all options here are in milliseconds.
    return `${(parseDuration(typeof value === "number" ? `${value}` : value) / 1_000).toFixed(9)}s`;
  } catch (error) {
    issues.push({ path, message: (error as Error).message.replace(/, or as a number of milliseconds$/, "") });
    return null;
  }
}

/** Whether the JSON form of a message is special, that is, not a map of its fields. */
function hasOwnJson(message: DescMessage): boolean {
  return /^google\.protobuf\.(Any|Timestamp|FieldMask|Struct|Value|ListValue|\w+Value)$/.test(message.typeName);
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/^cannot decode (?:field|message) \S+ from JSON(?:: )?/, "")
    .replace(/^expected /, "must be ")
    .replace(/^(?:list item|map entry \S+): /, "")
    .replace(/: got /, ", not ")
    .replace(/, got /, ", not ")
    .replace(/\s+/g, " ");
}

function shapeOfMessage(message: DescMessage, known: Map<DescMessage, Shape>): Shape {
  const existing = known.get(message);
  if (existing !== undefined) return existing;
  const keys = new Map<string, Shape>();
  const shape: Shape = { kind: "map", keys };
  // Set before its fields are read: a message may contain itself.
  known.set(message, shape);
  for (const field of message.fields) keys.set(field.jsonName, shapeOfField(field, known));
  return shape;
}

function shapeOfField(field: DescField, known: Map<DescMessage, Shape>): Shape {
  const item = shapeOfItem(field, known);
  const shape: Shape =
    field.fieldKind === "list"
      ? { kind: "list", items: item }
      : field.fieldKind === "map"
        ? { kind: "map", others: item }
        : item;
  return field.proto.options?.debugRedact ? { ...shape, isSecret: true } : shape;
}

function shapeOfItem({ message, enum: names, scalar }: DescField, known: Map<DescMessage, Shape>): Shape {
  if (message !== undefined) {
    if (message.typeName === "google.protobuf.Duration") return { kind: "text" };
    return hasOwnJson(message) ? anyShape : shapeOfMessage(message, known);
  }
  if (names !== undefined || scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return { kind: "text" };
  if (scalar === ScalarType.BOOL) return { kind: "boolean" };
  // A JavaScript number cannot hold 64 bits. Text keeps the exact value, and protobuf's JSON accepts both.
  const is64 = [ScalarType.INT64, ScalarType.UINT64, ScalarType.FIXED64, ScalarType.SFIXED64, ScalarType.SINT64];
  return { kind: is64.includes(scalar!) ? "text" : "number" };
}
