import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { fieldName, isSet } from "./field.ts";
import { compileExtensionWriter } from "./json-extension.ts";
import { isNullValue } from "./json-field.ts";
import type { JsonPolicy } from "./json-options.ts";
import { wellKnownWriter, writeStruct } from "./json-well-known.ts";
import * as writer from "./json-writer.ts";
import { quote, Source } from "./source.ts";
import { isJsonStruct } from "./struct.ts";

/** The functions that write messages as JSON by one policy, each made when it is first asked for. */
export class JsonWriters {
  readonly policy: JsonPolicy;
  readonly #slots = new WeakMap<DescMessage, writer.JsonWriterSlot>();

  constructor(policy: JsonPolicy) {
    this.policy = policy;
  }

  /** A slot, because messages may hold each other: it is filled once its function is made. */
  slotOf(desc: DescMessage): writer.JsonWriterSlot {
    let slot = this.#slots.get(desc);
    if (slot === undefined) {
      slot = { write: undefined as unknown as writer.WriteJson };
      this.#slots.set(desc, slot);
      slot.write = this.#wellKnownOf(desc) ?? new JsonWriterSource(desc, this).build();
    }
    return slot;
  }

  #wellKnownOf(desc: DescMessage): writer.WriteJson | undefined {
    if (isWrapperDesc(desc)) return new JsonWriterSource(desc, this).buildWrapper();
    return wellKnownWriter(desc, this);
  }
}

/** How each scalar type is written, but for those of 64 bits. */
const scalars: Readonly<Record<number, (...args: never[]) => number>> = {
  [ScalarType.DOUBLE]: writer.writeDouble,
  [ScalarType.FLOAT]: writer.writeDouble,
  [ScalarType.INT32]: writer.writeInt32,
  [ScalarType.FIXED32]: writer.writeInt32,
  [ScalarType.BOOL]: writer.writeBool,
  [ScalarType.STRING]: writer.writeString,
  [ScalarType.BYTES]: writer.writeBlob,
  [ScalarType.UINT32]: writer.writeInt32,
  [ScalarType.SFIXED32]: writer.writeInt32,
  [ScalarType.SINT32]: writer.writeInt32,
};

// Names are written by one instruction for each of their bytes; in very large messages that is more code than V8 optimises.
const manyFields = 80;

/**
 * Generates, for `message M { string name = 1; repeated M items = 2; }`:
 *
 *     function write(m, b, p) {
 *       if (m.$typeName !== typeName) throw wrongMessage(typeName, m.$typeName);
 *       let v;
 *       const start = p, limit = b.length - room;
 *       v = m["name"];
 *       if (p > limit) throw full;
 *       <,"name":> p = writeString(b, p, v, "M.name");
 *       v = m["items"];
 *       <,"items":> { const first = p; for (let i = 0; i < v.length; i++) { <,> p = slot.write(v[i], b, p); } <[ over the first comma> <]> }
 *       <{ over the first comma> <}>
 *       return p;
 *     }
 */
class JsonWriterSource {
  readonly #desc: DescMessage;
  readonly #writers: JsonWriters;
  readonly #source = new Source();

  constructor(desc: DescMessage, writers: JsonWriters) {
    this.#desc = desc;
    this.#writers = writers;
  }

  build(): writer.WriteJson {
    this.#addHead();
    this.#source.add("const start = p;");
    for (const field of this.#desc.fields.toSorted((a, b) => a.number - b.number)) this.#addField(field);
    const { types } = this.#writers.policy;
    if (types !== undefined) {
      const extensions = this.#source.constant(compileExtensionWriter(this.#desc, types, this.#writers));
      this.#source.add(`if (m.$unknown !== undefined) p = ${extensions}(m, b, p);`);
    }
    this.#addRoomCheck();
    this.#source.add("if (p === start) p++;", "b[start] = 0x7b;", "b[p++] = 0x7d;", "return p;", "}");
    return this.#source.build();
  }

  /** A wrapper is the value that it holds. */
  buildWrapper(): writer.WriteJson {
    const field = this.#desc.fields[0]!;
    this.#addHead();
    this.#addRoomCheck();
    this.#addScalar(field.scalar!, `m[${quote(field.localName)}]`, field);
    this.#source.add("return p;", "}");
    return this.#source.build();
  }

  #addHead(): void {
    // The very string that create() puts into a message: comparing it with itself takes no look at its characters.
    const typeName = this.#source.constant(this.#desc.typeName);
    this.#source.add(
      "function write(m, b, p) {",
      `if (m.$typeName !== ${typeName}) throw ${this.#source.constant(writer.wrongMessage)}(${typeName}, m.$typeName);`,
      "let v;",
      `const limit = b.length - ${writer.roomBytes};`,
    );
  }

  #addField(field: DescField): void {
    const source = this.#source;
    const local = quote(field.localName);
    const { emitZeroValues } = this.#writers.policy;
    switch (field.fieldKind) {
      case "list":
        source.add(`v = m[${local}];`, emitZeroValues ? "{" : "if (v.length !== 0) {");
        this.#addName(field);
        source.add("const first = p;", "for (let i = 0; i < v.length; i++) {");
        this.#addRoomCheck();
        source.add("b[p++] = 0x2c;");
        this.#addValue(field, field.listKind, "v[i]");
        source.add("}");
        this.#addRoomCheck();
        source.add("if (p === first) p++;", "b[first] = 0x5b;", "b[p++] = 0x5d;", "}");
        return;
      case "map": {
        source.add(`v = m[${local}];`, "{", "const keys = Object.keys(v);");
        if (!emitZeroValues) source.add("if (keys.length !== 0) {");
        this.#addName(field);
        source.add("const first = p;", "for (let i = 0; i < keys.length; i++) {");
        this.#addRoomCheck();
        source.add("b[p++] = 0x2c;");
        const key = source.constant(writer.writeString);
        source.add(`p = ${key}(b, p, keys[i], ${quote(fieldName(field))});`);
        this.#addRoomCheck();
        source.add("b[p++] = 0x3a;");
        this.#addValue(field, field.mapKind, "v[keys[i]]");
        source.add("}");
        this.#addRoomCheck();
        source.add("if (p === first) p++;", "b[first] = 0x7b;", "b[p++] = 0x7d;", "}");
        if (!emitZeroValues) source.add("}");
        return;
      }
    }
    if (field.oneof !== undefined) {
      source.add(`v = m[${quote(field.oneof.localName)}];`, `if (v.case === ${local}) {`, "v = v.value;");
    } else {
      const isAlways = emitZeroValues && field.presence === FeatureSet_FieldPresence.IMPLICIT;
      source.add(`v = m[${local}];`, isAlways ? "{" : `if (${isSet(this.#desc, field, source)}) {`);
    }
    this.#addName(field);
    this.#addValue(field, field.fieldKind, "v");
    if (field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED) {
      source.add(`} else throw ${source.constant(writer.requiredMissing)}(${quote(fieldName(field))});`);
    } else source.add("}");
  }

  // A comma, the name and a colon. The first comma becomes the brace that opens the object.
  #addName(field: DescField): void {
    const name = this.#writers.policy.useProtoFieldNames ? field.name : field.jsonName;
    const bytes = Buffer.from(`,${JSON.stringify(name)}:`);
    const isPlain = bytes.length <= writer.roomBytes && bytes.every((byte) => byte < 0x80);
    if (this.#desc.fields.length > manyFields || !isPlain) {
      this.#source.add(`p = ${this.#source.constant(writer.writeName)}(b, p, ${this.#source.constant(bytes)});`);
    } else {
      this.#addRoomCheck();
      this.#source.add(...[...bytes].map((byte) => `b[p++] = ${byte};`));
    }
    // What follows needs room again.
    this.#addRoomCheck();
  }

  #addRoomCheck(): void {
    this.#source.add(`if (p > limit) throw ${this.#source.constant(writer.full)};`);
  }

  #addValue(field: DescField, kind: "scalar" | "enum" | "message", value: string): void {
    if (kind === "scalar") this.#addScalar(field.scalar!, value, field);
    else if (kind === "enum") this.#addEnum(field.enum!, value, field);
    else this.#addMessage(field as DescField & { message: DescMessage }, value);
  }

  #addScalar(scalar: ScalarType, value: string, field: DescField): void {
    const write = this.#source.constant(scalars[scalar] ?? int64Writer(this.#writers.policy));
    this.#source.add(`p = ${write}(b, p, ${value}, ${quote(fieldName(field))});`);
  }

  #addEnum(desc: DescEnum, value: string, field: DescField): void {
    const source = this.#source;
    const name = quote(fieldName(field));
    if (isNullValue(desc)) {
      source.add(`p = ${source.constant(writer.writeNull)}(b, p);`);
    } else if (this.#writers.policy.enumAsNumber) {
      source.add(`p = ${source.constant(writer.writeInt32)}(b, p, ${value}, ${name});`);
    } else {
      const names = source.constant(namesOf(desc));
      source.add(`p = ${source.constant(writer.writeEnum)}(b, p, ${value}, ${names}, ${name});`);
    }
  }

  #addMessage(field: DescField & { message: DescMessage }, value: string): void {
    const source = this.#source;
    if (isJsonStruct(field)) {
      source.add(`p = ${source.constant(writeStruct)}(b, p, ${value});`);
    } else if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(field.message)) {
      // The field holds what is inside of the wrapper.
      this.#addScalar(field.message.fields[0]!.scalar!, value, field);
    } else {
      source.add(`p = ${source.constant(this.#writers.slotOf(field.message))}.write(${value}, b, p);`);
    }
  }
}

function int64Writer({ int64AsNumber }: JsonPolicy): (...args: never[]) => number {
  if (int64AsNumber === "safe") return writer.writeSafeInt64;
  return int64AsNumber ? writer.writeInt64Number : writer.writeInt64;
}

const enumNames = new WeakMap<DescEnum, ReadonlyMap<number, Uint8Array>>();

/** The names of an enum's values, with their quotes. */
function namesOf(desc: DescEnum): ReadonlyMap<number, Uint8Array> {
  let names = enumNames.get(desc);
  if (names === undefined) {
    names = new Map(
      // Of two names for one number the first is written.
      desc.values.toReversed().map(({ number, jsonName }) => [number, Buffer.from(JSON.stringify(jsonName))]),
    );
    enumNames.set(desc, names);
  }
  return names;
}
