import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { fieldName, isSet, isZero, type SingularField } from "./field.ts";
import * as writer from "./proto-writer.ts";
import { quote, Source } from "./source.ts";
import { isJsonStruct, structFromJson } from "./struct.ts";
import { tagOf, wireType } from "./wire-type.ts";

/** Writes a message before `at` and returns where it begins. */
export type WriteMessage = (message: object, bytes: Buffer, at: number) => number;

/** A slot, because messages may hold each other: it is filled once its function is made. */
interface Slot {
  write: WriteMessage;
}

const slots = new WeakMap<DescMessage, Slot>();

/** The function that writes messages of this type, made at the first call for it. */
export function compileProtoWriter(desc: DescMessage): WriteMessage {
  return slotOf(desc).write;
}

function slotOf(desc: DescMessage): Slot {
  let slot = slots.get(desc);
  if (slot === undefined) {
    slot = { write: undefined as unknown as WriteMessage };
    slots.set(desc, slot);
    slot.write = new ProtoWriterSource(desc).build();
  }
  return slot;
}

const presence = FeatureSet_FieldPresence;

interface ScalarWriting {
  readonly wireType: number;
  readonly write: (...args: never[]) => number;
}

/** How each scalar type is written. An enum is an int32. */
const scalars: Readonly<Record<ScalarType, ScalarWriting>> = {
  [ScalarType.DOUBLE]: { wireType: wireType.bit64, write: writer.writeDouble },
  [ScalarType.FLOAT]: { wireType: wireType.bit32, write: writer.writeFloat },
  [ScalarType.INT64]: { wireType: wireType.varint, write: writer.writeInt64 },
  [ScalarType.UINT64]: { wireType: wireType.varint, write: writer.writeUint64 },
  [ScalarType.INT32]: { wireType: wireType.varint, write: writer.writeInt32 },
  [ScalarType.FIXED64]: { wireType: wireType.bit64, write: writer.writeFixed64 },
  [ScalarType.FIXED32]: { wireType: wireType.bit32, write: writer.writeFixed32 },
  [ScalarType.BOOL]: { wireType: wireType.varint, write: writer.writeBool },
  [ScalarType.STRING]: { wireType: wireType.lengthDelimited, write: writer.writeString },
  [ScalarType.BYTES]: { wireType: wireType.lengthDelimited, write: writer.writeBlob },
  [ScalarType.UINT32]: { wireType: wireType.varint, write: writer.writeUint32 },
  [ScalarType.SFIXED32]: { wireType: wireType.bit32, write: writer.writeSfixed32 },
  [ScalarType.SFIXED64]: { wireType: wireType.bit64, write: writer.writeSfixed64 },
  [ScalarType.SINT32]: { wireType: wireType.varint, write: writer.writeSint32 },
  [ScalarType.SINT64]: { wireType: wireType.varint, write: writer.writeSint64 },
};

/**
 * Generates, for `message M { string name = 1; repeated M items = 2; }`:
 *
 *     function write(m, b, p) {
 *       let v, e;
 *       if (m.$typeName !== typeName) throw wrongMessage(typeName, m.$typeName);
 *       if (m.$unknown !== undefined) p = writeUnknown(b, p, m.$unknown);
 *       v = m["items"];
 *       for (let i = v.length - 1; i >= 0; i--) {
 *         e = p; p = slot.write(v[i], b, p); <length of e - p> <tag>
 *       }
 *       v = m["name"];
 *       if (!(v === "")) { p = writeString(b, p, v, "M.name"); <tag> }
 *       return p;
 *     }
 */
class ProtoWriterSource {
  readonly #desc: DescMessage;
  readonly #source = new Source();

  constructor(desc: DescMessage) {
    this.#desc = desc;
  }

  build(): WriteMessage {
    const source = this.#source;
    // The very string that create() puts into a message: comparing it with itself takes no look at its characters.
    const typeName = source.constant(this.#desc.typeName);
    source.add(
      "function write(m, b, p) {",
      "let v, e;",
      `if (m.$typeName !== ${typeName}) throw ${source.constant(writer.wrongMessage)}(${typeName}, m.$typeName);`,
      `if (m.$unknown !== undefined) p = ${source.constant(writer.writeUnknown)}(b, p, m.$unknown);`,
    );
    // From the last field to the first, so that they come out in the order of their numbers.
    for (const field of this.#desc.fields.toSorted((a, b) => b.number - a.number)) this.#addField(field);
    source.add("return p;", "}");
    return source.build();
  }

  #addField(field: DescField): void {
    const source = this.#source;
    const local = quote(field.localName);
    switch (field.fieldKind) {
      case "list":
        this.#addList(field, local);
        return;
      case "map":
        this.#addMap(field, local);
        return;
    }
    if (field.oneof !== undefined) {
      source.add(`v = m[${quote(field.oneof.localName)}];`, `if (v.case === ${local}) {`, "v = v.value;");
    } else {
      source.add(`v = m[${local}];`, `if (${isSet(this.#desc, field, this.#source)}) {`);
    }
    this.#addSingular(field, "v");
    if (field.presence === presence.LEGACY_REQUIRED) {
      source.add(`} else throw ${source.constant(writer.requiredMissing)}(${quote(fieldName(field))});`);
    } else source.add("}");
  }

  // A value and its tag.
  #addSingular(field: SingularField, value: string): void {
    if (field.fieldKind === "message") this.#addMessage(field, field.message, value);
    else this.#addScalar(field.number, field.scalar ?? ScalarType.INT32, value, fieldName(field));
  }

  #addScalar(number: number, scalar: ScalarType, value: string, name: string): void {
    this.#addRoomCheck();
    this.#addScalarValue(scalar, value, name);
    this.#addTag(number, scalars[scalar].wireType);
  }

  #addScalarValue(scalar: ScalarType, value: string, name: string): void {
    const write = this.#source.constant(scalars[scalar].write);
    this.#source.add(`p = ${write}(b, p, ${value}, ${quote(name)});`);
  }

  #addMessage(field: DescField & { message: DescMessage }, desc: DescMessage, value: string): void {
    const source = this.#source;
    const isDelimited = field.fieldKind !== "map" && (field as { delimitedEncoding: boolean }).delimitedEncoding;
    this.#addRoomCheck();
    if (isDelimited) this.#addTag(field.number, wireType.endGroup);
    else source.add("e = p;");
    if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(desc)) {
      // The field holds what is inside of the wrapper.
      const scalar = desc.fields[0]!.scalar!;
      source.add(`if (!(${isZero(scalar, value)})) {`);
      this.#addScalar(1, scalar, value, `${desc.typeName}.value`);
      source.add("}");
    } else {
      const message = isJsonStruct(field) ? `${source.constant(structFromJson)}(${value}, 1)` : value;
      source.add(`p = ${source.constant(slotOf(desc))}.write(${message}, b, p);`);
    }
    if (isDelimited) {
      this.#addRoomCheck();
      this.#addTag(field.number, wireType.startGroup);
    } else {
      this.#addLength();
      // Inside a map's entry the value is number 2.
      this.#addTag(field.fieldKind === "map" ? 2 : field.number, wireType.lengthDelimited);
    }
  }

  #addList(field: DescField & { fieldKind: "list" }, local: string): void {
    const source = this.#source;
    source.add(`v = m[${local}];`);
    if (field.listKind === "message") {
      source.add("for (let i = v.length - 1; i >= 0; i--) {");
      this.#addMessage(field, field.message, "v[i]");
      source.add("}");
      return;
    }
    const scalar = field.scalar ?? ScalarType.INT32;
    if (!field.packed) {
      source.add("for (let i = v.length - 1; i >= 0; i--) {");
      this.#addScalar(field.number, scalar, "v[i]", fieldName(field));
      source.add("}");
      return;
    }
    source.add("if (v.length !== 0) {", "e = p;", "for (let i = v.length - 1; i >= 0; i--) {");
    this.#addRoomCheck();
    this.#addScalarValue(scalar, "v[i]", fieldName(field));
    source.add("}");
    this.#addLength();
    this.#addTag(field.number, wireType.lengthDelimited);
    source.add("}");
  }

  #addMap(field: DescField & { fieldKind: "map" }, local: string): void {
    const source = this.#source;
    source.add(
      `v = m[${local}];`,
      "{",
      "const keys = Object.keys(v);",
      "for (let i = keys.length - 1; i >= 0; i--) {",
      "const k = keys[i], end = p;",
    );
    if (field.mapKind === "message") this.#addMessage(field, field.message, "v[k]");
    else this.#addScalar(2, field.scalar ?? ScalarType.INT32, "v[k]", fieldName(field));
    this.#addScalar(1, field.mapKey, keyFromText(field.mapKey, "k"), fieldName(field));
    source.add("e = end;");
    this.#addLength();
    this.#addTag(field.number, wireType.lengthDelimited);
    source.add("}", "}");
  }

  // What was written since `e` is preceded by its length.
  #addLength(): void {
    this.#addRoomCheck();
    this.#source.add(
      "e -= p;",
      `if (e < 128) b[--p] = e; else p = ${this.#source.constant(writer.writeVarint32)}(b, p, e);`,
    );
  }

  #addRoomCheck(): void {
    this.#source.add(`if (p < ${writer.roomBytes}) throw ${this.#source.constant(writer.full)};`);
  }

  #addTag(number: number, type: number): void {
    let tag = tagOf(number, type);
    const bytes: number[] = [];
    for (; tag > 0x7f; tag >>>= 7) bytes.push((tag & 0x7f) | 0x80);
    bytes.push(tag);
    for (const byte of bytes.reverse()) this.#source.add(`b[--p] = ${byte};`);
  }
}

/** The key of a map is a property's name; this is the value that it stands for. */
function keyFromText(scalar: ScalarType, key: string): string {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return key; // the writers of 64 bits take text
    case ScalarType.BOOL:
      return `${key} === "true"`;
    default:
      return `Number(${key})`;
  }
}
