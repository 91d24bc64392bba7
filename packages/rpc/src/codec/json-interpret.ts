import { create, type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { depthLimit } from "./depth-limit.ts";
import { fieldName } from "./field.ts";
import { enumTableOf, isNullValue, readerOf, scalarReaders, takesNull } from "./json-field.ts";
import type { JsonPolicy } from "./json-options.ts";
import * as reader from "./json-reader.ts";
import { type ReadJson, readStruct } from "./json-well-known.ts";
import { isJsonStruct } from "./struct.ts";

// The readers that JsonReaderSource generates, as closures, for where code from strings is disallowed.

interface Readers {
  readonly policy: JsonPolicy;
  slotOf(desc: DescMessage): { readonly read: ReadJson };
  readOther(message: Message, name: string, value: unknown, depth: number): void;
}

type Properties = Record<string, unknown>;

/** Puts the JSON of a field into its message. */
type SetField = (message: Properties, value: unknown, depth: number) => void;

/** What a value of JSON means; undefined for one that is passed over. */
type ReadValue = (value: unknown, depth: number) => unknown;

export function interpretMessage(desc: DescMessage, readers: Readers): ReadJson {
  const name = desc.typeName;
  const fields = new Map<string, { readonly field: DescField; readonly set: SetField }>();
  for (const field of desc.fields) {
    const entry = { field, set: compileField(field, readers) };
    for (const key of [field.name, field.jsonName]) if (!fields.has(key)) fields.set(key, entry);
  }
  return (json, depth) => {
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw reader.expected(name, "an object", json);
    if (depth > depthLimit) throw reader.tooDeep(name);
    const message = create(desc);
    for (const [key, value] of Object.entries(json)) {
      const entry = fields.get(key);
      if (entry === undefined) {
        readers.readOther(message, key, value, depth);
        continue;
      }
      const { field, set } = entry;
      if (key !== field.jsonName && Object.hasOwn(json, field.jsonName)) throw reader.fieldTwice(name, key);
      if (value === null && !takesNull(field)) continue;
      const properties = message as unknown as Properties;
      if (field.oneof !== undefined && (properties[field.oneof.localName] as { case?: string }).case !== undefined) {
        throw reader.oneofTwice(name, field.oneof.name, key);
      }
      set(properties, value, depth);
    }
    return message;
  };
}

/** A wrapper is the value that it holds. */
export function interpretWrapper(desc: DescMessage): ReadJson {
  const field = desc.fields[0]!;
  const set = compileSingular(field, compileScalar(field, field.scalar!));
  return (json) => {
    const message = create(desc);
    if (json !== null) set(message as unknown as Properties, json, 0);
    return message;
  };
}

function compileField(field: DescField, readers: Readers): SetField {
  switch (field.fieldKind) {
    case "list":
      return compileList(field, compileValue(field, field.listKind, readers));
    case "map":
      return compileMap(field, compileValue(field, field.mapKind, readers));
    default:
      return compileSingular(field, compileValue(field, field.fieldKind, readers));
  }
}

function compileSingular({ localName, oneof }: DescField, read: ReadValue): SetField {
  return (message, json, depth) => {
    const value = read(json, depth);
    if (value === undefined) return;
    if (oneof === undefined) message[localName] = value;
    else message[oneof.localName] = { case: localName, value };
  };
}

function compileList(field: DescField, read: ReadValue): SetField {
  const name = fieldName(field);
  return (message, json, depth) => {
    if (!Array.isArray(json)) throw reader.expected(name, "an array", json);
    const list: unknown[] = [];
    for (const item of json) {
      if (item === null && !takesNull(field)) throw reader.problem(name, "null has no meaning in an array");
      const value = read(item, depth);
      if (value !== undefined) list.push(value);
    }
    message[field.localName] = list;
  };
}

function compileMap(field: DescField & { fieldKind: "map" }, read: ReadValue): SetField {
  const name = fieldName(field);
  const readKey = compileKey(field, name);
  return (message, json, depth) => {
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw reader.expected(name, "an object", json);
    const record = {};
    for (const [key, item] of Object.entries(json)) {
      if (item === null && !takesNull(field)) throw reader.problem(name, "null has no meaning in a map");
      const value = read(item, depth);
      if (value !== undefined) reader.setEntry(record, readKey(key), value, name);
    }
    message[field.localName] = record;
  };
}

/** The form in which a map keeps a key. */
function compileKey({ mapKey }: DescField & { fieldKind: "map" }, name: string): (key: string) => string {
  if (mapKey === ScalarType.STRING) return (key) => key;
  if (mapKey === ScalarType.BOOL) return (key) => reader.readBoolKey(key, name);
  return (key) => reader.readIntKey(key, scalarReaders[mapKey], name);
}

function compileValue(field: DescField, kind: "scalar" | "enum" | "message", readers: Readers): ReadValue {
  if (kind === "scalar") return compileScalar(field, field.scalar!);
  if (kind === "enum") return compileEnum(field, field.enum!, !readers.policy.rejectUnknownFields);
  const desc = field.message!;
  if (isJsonStruct(field)) return (value, depth) => readStruct(value, depth + 1);
  if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(desc)) {
    // The field holds what is inside of the wrapper.
    return compileScalar(desc.fields[0]!, desc.fields[0]!.scalar!);
  }
  // Looked up at the first value: messages may hold each other.
  let slot: { readonly read: ReadJson } | undefined;
  return (value, depth) => {
    slot ??= readers.slotOf(desc);
    return slot.read(value, depth + 1);
  };
}

function compileScalar(field: DescField, scalar: ScalarType): ReadValue {
  const name = fieldName(field);
  const read = readerOf(field, scalar);
  return (value) => read(value, name);
}

function compileEnum(field: DescField, desc: DescEnum, isLenient: boolean): ReadValue {
  const name = fieldName(field);
  const { numbers, closedNumbers } = enumTableOf(desc);
  return (value) =>
    value === null && isNullValue(desc) ? 0 : reader.readEnum(value, numbers, closedNumbers, isLenient, name);
}
