import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { depthLimit } from "./depth-limit.ts";
import type { SingularField } from "./field.ts";
import { compileCreate } from "./proto-create.ts";
import * as runtime from "./proto-reader.ts";
import { setOwn } from "./set-own.ts";
import { quote, Source } from "./source.ts";
import { isJsonStruct, structFromJson, structToJson } from "./struct.ts";
import { tagOf, wireType } from "./wire-type.ts";

/** Reads fields into a message: until `end`, or until `endTag` where that is not 0, which must come before it. */
type ReadMessage = (reader: runtime.ProtoReader, message: object, end: number, depth: number, endTag: number) => void;

/** Makes and reads messages of one type. */
export interface MessageReading {
  readonly create: () => object;
  read: ReadMessage;
}

const readings = new WeakMap<DescMessage, MessageReading>();

/** The functions that read messages of this type, made at the first call for it. */
export function compileProtoReader(desc: DescMessage): MessageReading {
  let reading = readings.get(desc);
  if (reading === undefined) {
    // Registered before it is complete, because messages may hold each other.
    reading = { create: compileCreate(desc), read: undefined as unknown as ReadMessage };
    readings.set(desc, reading);
    reading.read = new ProtoReaderSource(desc).build();
  }
  return reading;
}

/** A message of this type, out of its bytes. */
export function readProto(desc: DescMessage, bytes: Uint8Array): object {
  const { create, read } = compileProtoReader(desc);
  const message = create();
  read(new runtime.ProtoReader(bytes), message, bytes.length, 1, 0);
  return message;
}

interface ScalarReading {
  readonly wireType: number;
  /** The method of ProtoReader. */
  readonly method: string;
  /** What a map's entry without a value has. */
  readonly zero: string;
}

const scalars: Readonly<Record<ScalarType, ScalarReading>> = {
  [ScalarType.DOUBLE]: { wireType: wireType.bit64, method: "double", zero: "0" },
  [ScalarType.FLOAT]: { wireType: wireType.bit32, method: "float", zero: "0" },
  [ScalarType.INT64]: { wireType: wireType.varint, method: "int64", zero: "0n" },
  [ScalarType.UINT64]: { wireType: wireType.varint, method: "uint64", zero: "0n" },
  [ScalarType.INT32]: { wireType: wireType.varint, method: "int32", zero: "0" },
  [ScalarType.FIXED64]: { wireType: wireType.bit64, method: "fixed64", zero: "0n" },
  [ScalarType.FIXED32]: { wireType: wireType.bit32, method: "fixed32", zero: "0" },
  [ScalarType.BOOL]: { wireType: wireType.varint, method: "bool", zero: "false" },
  [ScalarType.STRING]: { wireType: wireType.lengthDelimited, method: "string", zero: '""' },
  [ScalarType.BYTES]: { wireType: wireType.lengthDelimited, method: "blob", zero: "new Uint8Array(0)" },
  [ScalarType.UINT32]: { wireType: wireType.varint, method: "varint32", zero: "0" },
  [ScalarType.SFIXED32]: { wireType: wireType.bit32, method: "sfixed32", zero: "0" },
  [ScalarType.SFIXED64]: { wireType: wireType.bit64, method: "sfixed64", zero: "0n" },
  [ScalarType.SINT32]: { wireType: wireType.varint, method: "sint32", zero: "0" },
  [ScalarType.SINT64]: { wireType: wireType.varint, method: "sint64", zero: "0n" },
};

/**
 * Generates, for `message M { string name = 1; repeated M items = 2; }`:
 *
 *     function read(r, m, end, depth, endTag) {
 *       if (depth > limit) throw tooDeep();
 *       const b = r.bytes;
 *       let v, stop;
 *       while (r.position < end) {
 *         let t = b[r.position];
 *         if (t < 128) r.position++; else t = r.tag();
 *         switch (t) {
 *           case 10: m["name"] = r.string(end); break;
 *           case 18: stop = r.delimited(end); v = child.create(); child.read(r, v, stop, depth + 1, 0);
 *             m["items"].push(v); break;
 *           default: <the end of a group, or an unknown field>
 *         }
 *       }
 *     }
 */
class ProtoReaderSource {
  readonly #desc: DescMessage;
  readonly #source = new Source();

  constructor(desc: DescMessage) {
    this.#desc = desc;
  }

  build(): ReadMessage {
    const source = this.#source;
    const constant = (value: unknown) => source.constant(value);
    source.add(
      "function read(r, m, end, depth, endTag) {",
      `if (depth > ${depthLimit}) throw ${constant(runtime.tooDeep)}();`,
      "const b = r.bytes;",
      "let v, stop;",
      "while (r.position < end) {",
      "let t = b[r.position];",
      "if (t < 128) r.position++; else t = r.tag();",
      "switch (t) {",
    );
    for (const field of this.#desc.fields) this.#addField(field);
    source.add(
      "default:",
      "if (t === endTag && t !== 0) return;",
      "v = r.unknown(t, end, depth);",
      "if (m.$unknown === undefined) m.$unknown = [v]; else m.$unknown.push(v);",
      "}",
      "}",
      `if (r.position !== end || endTag !== 0) throw ${constant(runtime.truncated)}();`,
      "}",
    );
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
      case "message": {
        this.#addCase(field.number, field.delimitedEncoding ? wireType.startGroup : wireType.lengthDelimited);
        const holder = field.oneof === undefined ? undefined : `m[${quote(field.oneof.localName)}]`;
        source.add(
          holder === undefined ? `v = m[${local}];` : `v = ${holder}.case === ${local} ? ${holder}.value : undefined;`,
        );
        this.#addMessage(field, field.message);
        source.add(`${this.#target(field)};`, "break;");
        return;
      }
      case "enum":
        this.#addCase(field.number, wireType.varint);
        source.add("v = r.int32();");
        if (!field.enum.open) this.#addClosedEnum(field.enum, field.number);
        source.add(`${this.#target(field)};`, "break;");
        return;
      case "scalar":
        this.#addCase(field.number, scalars[field.scalar].wireType);
        source.add(`v = ${readScalar(field.scalar, field)};`, `${this.#target(field)};`, "break;");
    }
  }

  // Puts `v` into its place.
  #target(field: SingularField): string {
    const local = quote(field.localName);
    if (field.oneof === undefined) return `m[${local}] = v`;
    return `m[${quote(field.oneof.localName)}] = { case: ${local}, value: v }`;
  }

  #addCase(number: number, type: number): void {
    this.#source.add(`case ${tagOf(number, type)}:`);
  }

  // A number that a closed enum does not have is kept as an unknown field.
  #addClosedEnum(desc: DescEnum, number: number): void {
    const source = this.#source;
    const values = source.constant(new Set(desc.values.map((value) => value.number)));
    const unknown = source.constant(runtime.unknownEnum);
    source.add(
      `if (!${values}.has(v)) {`,
      `v = ${unknown}(${number}, v);`,
      "if (m.$unknown === undefined) m.$unknown = [v]; else m.$unknown.push(v);",
      "break;",
      "}",
    );
  }

  // Reads a message, into the one that `v` is or into a new one, and leaves in `v` what the field holds.
  #addMessage(field: DescField & { message: DescMessage }, desc: DescMessage): void {
    const source = this.#source;
    const child = source.constant(compileProtoReader(desc));
    const isStruct = isJsonStruct(field);
    const isUnwrapped = field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(desc);
    const value = isUnwrapped ? quote(desc.fields[0]!.localName) : "";
    if (isStruct) source.add(`v = ${source.constant(structFromJson)}(v === undefined ? {} : v, 1);`);
    else if (isUnwrapped) {
      source.add(
        "{",
        `const wrapper = ${child}.create();`,
        `if (v !== undefined) wrapper[${value}] = v;`,
        "v = wrapper;",
        "}",
      );
    } else source.add(`if (v === undefined) v = ${child}.create();`);
    if (field.fieldKind !== "map" && (field as { delimitedEncoding: boolean }).delimitedEncoding) {
      source.add(`${child}.read(r, v, end, depth + 1, ${tagOf(field.number, wireType.endGroup)});`);
    } else {
      source.add(`${child}.read(r, v, r.delimited(end), depth + 1, 0);`);
    }
    if (isStruct) source.add(`v = ${source.constant(structToJson)}(v, false);`);
    else if (isUnwrapped) source.add(`v = v[${value}];`);
  }

  #addList(field: DescField & { fieldKind: "list" }, local: string): void {
    const source = this.#source;
    if (field.listKind === "message") {
      this.#addCase(field.number, field.delimitedEncoding ? wireType.startGroup : wireType.lengthDelimited);
      source.add("v = undefined;");
      this.#addMessage(field, field.message);
      source.add(`m[${local}].push(v);`, "break;");
      return;
    }
    const scalar = field.scalar ?? ScalarType.INT32;
    const read = readScalar(scalar, field);
    const itemType = scalars[scalar].wireType;
    this.#addCase(field.number, itemType);
    source.add(`m[${local}].push(${read});`, "break;");
    if (itemType === wireType.lengthDelimited) return;
    // Either way is understood, whichever the field is declared to be.
    this.#addCase(field.number, wireType.lengthDelimited);
    source.add(
      "stop = r.delimited(end);",
      `v = m[${local}];`,
      `while (r.position < stop) v.push(${read});`,
      `if (r.position !== stop) throw ${source.constant(runtime.truncated)}();`,
      "break;",
    );
  }

  #addMap(field: DescField & { fieldKind: "map" }, local: string): void {
    const source = this.#source;
    const valueScalar = field.scalar ?? ScalarType.INT32;
    const valueType = field.mapKind === "message" ? wireType.lengthDelimited : scalars[valueScalar].wireType;
    this.#addCase(field.number, wireType.lengthDelimited);
    source.add(
      "{",
      "let key;",
      "v = undefined;",
      // Values are read with `end` as their border.
      "const outer = end;",
      "end = r.delimited(end);",
      "while (r.position < end) {",
      "const t = r.tag();",
      "switch (t) {",
      `case ${tagOf(1, scalars[field.mapKey].wireType)}: key = ${readScalar(field.mapKey, field)}; break;`,
      `case ${tagOf(2, valueType)}:`,
    );
    if (field.mapKind === "message") this.#addMessage(field, field.message);
    else source.add(`v = ${readScalar(valueScalar, field)};`);
    source.add("break;", "default: r.skip(t, end, depth);", "}", "}");
    source.add(`if (r.position !== end) throw ${source.constant(runtime.truncated)}();`, "end = outer;");
    source.add(`if (key === undefined) key = ${scalars[field.mapKey].zero};`);
    if (field.mapKind === "message") {
      const empty = isJsonStruct(field) ? "{}" : `${source.constant(compileProtoReader(field.message))}.create()`;
      source.add(`if (v === undefined) v = ${empty};`);
    } else {
      const zero = field.mapKind === "enum" ? String(field.enum.values[0]!.number) : scalars[valueScalar].zero;
      source.add(`if (v === undefined) v = ${zero};`);
    }
    const record = `m[${local}]`;
    source.add(
      field.mapKey === ScalarType.STRING
        ? `if (key === "__proto__") ${source.constant(setOwn)}(${record}, key, v); else ${record}[key] = v;`
        : `${record}[key] = v;`,
      "}",
      "break;",
    );
  }
}

function readScalar(scalar: ScalarType, field: DescField): string {
  switch (scalar) {
    case ScalarType.STRING:
      return field.utf8Validation ? "r.string(end)" : "r.looseString(end)";
    case ScalarType.BYTES:
      return "r.blob(end)";
  }
  const read = `r.${scalars[scalar].method}()`;
  const isText = field.fieldKind !== "map" && (field as { longAsString?: boolean }).longAsString === true;
  return isText ? `String(${read})` : read;
}
