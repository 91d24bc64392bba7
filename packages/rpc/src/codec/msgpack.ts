import { create, type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Codec } from "./codec.ts";
import { depthLimit } from "./depth-limit.ts";
import { fieldName } from "./field.ts";
import { goNamesOf } from "./go-names.ts";
import { type MsgpackValue, readMsgpack } from "./msgpack-reader.ts";
import { MsgpackWriter } from "./msgpack-writer.ts";

/**
 * Encodes messages as MessagePack in the form of the codec in Kratos's contrib: as a map of the struct that protoc-gen-go
 * generates. Fields have their Go names (`optional_int32` is `OptionalInt32`); JSON names and .proto names are also read. Enums
 * are numbers, bytes are binary, and every message is the map of its fields, also a Timestamp. A oneof is a map under its own name
 * that contains the member. Unset fields are omitted. Empty input is the empty message.
 */
export const msgpackCodec: Codec = {
  name: "msgpack",
  contentType: "application/msgpack",
  compile: (desc) => ({
    encode: (message) => {
      const writer = new MsgpackWriter();
      writeMessage(writer, reflect(desc, message));
      return writer.finish();
    },
    decode: (bytes) => {
      const message = reflect(desc, create(desc));
      if (bytes.length > 0) readMessage(message, readMsgpack(bytes), desc.typeName, 1);
      return message.message as ReturnType<typeof create<typeof desc>>;
    },
  }),
};

const tooDeep = new Error(`messages are nested more than ${depthLimit} deep`);

type Member = DescField | DescOneof;

interface Layout {
  readonly goNames: ReadonlyMap<Member, string>;
  /** The members by any of their names. */
  readonly members: ReadonlyMap<string, Member>;
}

const layouts = new WeakMap<DescMessage, Layout>();

function layoutOf(desc: DescMessage): Layout {
  let layout = layouts.get(desc);
  if (layout === undefined) {
    const goNames = goNamesOf(desc);
    const members = new Map<string, Member>();
    for (const member of goNames.keys()) {
      members.set(member.name, member);
      if (member.kind === "field") members.set(member.jsonName, member);
    }
    // The name that Kratos writes wins over another field's JSON or .proto name.
    for (const [member, name] of goNames) members.set(name, member);
    layout = { goNames, members };
    layouts.set(desc, layout);
  }
  return layout;
}

function writeMessage(writer: MsgpackWriter, message: ReflectMessage): void {
  const { goNames } = layoutOf(message.desc);
  const set = message.sortedFields.filter((field) => message.isSet(field));
  writer.beginMap(set.length);
  for (const field of set) {
    const name = goNames.get(field)!;
    if (field.oneof !== undefined) {
      writer.writeString(goNames.get(field.oneof)!);
      writer.beginMap(1);
    }
    writer.writeString(name);
    try {
      writeField(writer, field, message.get(field));
    } catch (cause) {
      throw named(`cannot encode field ${fieldName(field)} to MessagePack`, cause);
    }
  }
}

function writeField(writer: MsgpackWriter, field: DescField, value: unknown): void {
  switch (field.fieldKind) {
    case "list": {
      const list = value as ReflectList;
      writer.beginArray(list.size);
      for (const item of list) writeValue(writer, field, field.listKind, item);
      return;
    }
    case "map": {
      const map = value as ReflectMap;
      writer.beginMap(map.size);
      for (const [key, item] of map) {
        writeScalar(writer, field.mapKey, key);
        writeValue(writer, field, field.mapKind, item);
      }
      return;
    }
    default:
      writeValue(writer, field, field.fieldKind, value);
  }
}

function writeValue(
  writer: MsgpackWriter,
  field: DescField,
  kind: "scalar" | "enum" | "message",
  value: unknown,
): void {
  if (kind === "message") writeMessage(writer, value as ReflectMessage);
  else if (kind === "enum") writer.writeInt(value as number);
  else writeScalar(writer, field.scalar!, value);
}

function writeScalar(writer: MsgpackWriter, scalar: ScalarType, value: unknown): void {
  switch (scalar) {
    case ScalarType.STRING:
      if (typeof value !== "string") throw expected("a string", value);
      writer.writeString(value);
      return;
    case ScalarType.BYTES:
      if (!(value instanceof Uint8Array)) throw expected("bytes", value);
      writer.writeBinary(value);
      return;
    case ScalarType.BOOL:
      if (typeof value !== "boolean") throw expected("true or false", value);
      writer.writeBool(value);
      return;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      if (typeof value !== "number") throw expected("a number", value);
      if (scalar === ScalarType.FLOAT) writer.writeFloat(value);
      else writer.writeDouble(value);
      return;
    default:
      if (typeof value === "bigint") writer.writeBigInt(value);
      else if (Number.isSafeInteger(value)) writer.writeInt(value as number);
      else throw expected("a whole number", value);
  }
}

function readMessage(message: ReflectMessage, value: MsgpackValue, name: string, depth: number): void {
  if (depth > depthLimit) throw named(`cannot decode ${name} from MessagePack`, tooDeep);
  if (!(value instanceof Map)) throw named(`cannot decode ${name} from MessagePack`, expected("a map", value));
  const { members } = layoutOf(message.desc);
  for (const [key, item] of value as ReadonlyMap<MsgpackValue, MsgpackValue>) {
    const member = members.get(key as string);
    // nil stands for a missing pointer, list or map.
    if (member === undefined || item === null) continue;
    if (member.kind === "field") readField(message, member, item, depth);
    else readOneof(message, member, item, depth);
  }
}

function readOneof(message: ReflectMessage, oneof: DescOneof, value: MsgpackValue, depth: number): void {
  const name = `${oneof.parent.typeName}.${oneof.name}`;
  if (!(value instanceof Map)) throw named(`cannot decode ${name} from MessagePack`, expected("a map", value));
  const { members } = layoutOf(oneof.parent);
  for (const [key, item] of value as ReadonlyMap<MsgpackValue, MsgpackValue>) {
    const field = members.get(key as string);
    if (field?.kind === "field" && field.oneof === oneof && item !== null) readField(message, field, item, depth);
  }
}

function readField(message: ReflectMessage, field: DescField, value: MsgpackValue, depth: number): void {
  try {
    if (field.oneof !== undefined && message.oneofCase(field.oneof) !== undefined) {
      throw new Error(`another field of the oneof "${field.oneof.name}" is set as well`);
    }
    switch (field.fieldKind) {
      case "list": {
        if (!Array.isArray(value)) throw expected("an array", value);
        const list = message.get(field) as ReflectList;
        for (const item of value as readonly MsgpackValue[]) list.add(toFieldValue(field, field.listKind, item, depth));
        return;
      }
      case "map": {
        if (!(value instanceof Map)) throw expected("a map", value);
        const map = message.get(field) as ReflectMap;
        for (const [key, item] of value as ReadonlyMap<MsgpackValue, MsgpackValue>) {
          map.set(toScalar(field.mapKey, key) as string, toFieldValue(field, field.mapKind, item, depth));
        }
        return;
      }
      default:
        message.set(field, toFieldValue(field, field.fieldKind, value, depth));
    }
  } catch (cause) {
    throw named(`cannot decode ${fieldName(field)} from MessagePack`, cause);
  }
}

/**
 * Converts to the value that protobuf-es's reflection accepts for the field; reflection itself checks ranges and types.
 */
function toFieldValue(
  field: DescField,
  kind: "scalar" | "enum" | "message",
  value: MsgpackValue,
  depth: number,
): unknown {
  if (kind === "scalar") return toScalar(field.scalar!, value);
  if (kind === "enum") return value;
  const message = reflect(field.message!, create(field.message!));
  // In Go a pointer in a list or a map may be nil; it means the empty message.
  if (value !== null) readMessage(message, value, fieldName(field), depth + 1);
  return message;
}

function toScalar(scalar: ScalarType, value: MsgpackValue): unknown {
  switch (scalar) {
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return Number.isSafeInteger(value) ? BigInt(value as number) : value;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return typeof value === "bigint" ? Number(value) : value;
    case ScalarType.BYTES:
      // Go's nil, as an item of a list.
      return value === null ? new Uint8Array(0) : value;
    default:
      return value;
  }
}

function expected(type: string, value: unknown): Error {
  const given = Array.isArray(value) ? "an array" : value instanceof Map ? "a map" : String(value).slice(0, 30);
  return new Error(`expected ${type}, got ${given}`);
}

/** The message names only the innermost field. */
class FieldError extends Error {}

function named(where: string, cause: unknown): Error {
  return cause instanceof FieldError ? cause : new FieldError(`${where}: ${(cause as Error).message}`);
}
