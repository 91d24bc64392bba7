import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { depthLimit } from "./depth-limit.ts";
import { fieldName, type SingularField } from "./field.ts";
import { readExtension } from "./json-extension.ts";
import { enumTableOf, isNullValue, readerOf, scalarReaders, takesNull } from "./json-field.ts";
import { interpretMessage, interpretWrapper } from "./json-interpret.ts";
import type { JsonPolicy } from "./json-options.ts";
import * as reader from "./json-reader.ts";
import { type ReadJson, readStruct, wellKnownReader } from "./json-well-known.ts";
import { compileCreate } from "./proto-create.ts";
import { canGenerate, quote, Source } from "./source.ts";
import { isJsonStruct } from "./struct.ts";

/** A slot, because messages may hold each other: it is filled once its function is made. */
interface Slot {
  read: ReadJson;
}

/** The functions that read messages from JSON by one policy, each made when it is first asked for. */
export class JsonReaders {
  readonly policy: JsonPolicy;
  readonly #slots = new WeakMap<DescMessage, Slot>();

  constructor(policy: JsonPolicy) {
    this.policy = policy;
  }

  slotOf(desc: DescMessage): Slot {
    let slot = this.#slots.get(desc);
    if (slot === undefined) {
      slot = { read: undefined as unknown as ReadJson };
      this.#slots.set(desc, slot);
      slot.read = wellKnownReader(desc, this) ?? this.#build(desc);
    }
    return slot;
  }

  #build(desc: DescMessage): ReadJson {
    if (!canGenerate) return isWrapperDesc(desc) ? interpretWrapper(desc) : interpretMessage(desc, this);
    const source = new JsonReaderSource(desc, this);
    return isWrapperDesc(desc) ? source.buildWrapper() : source.build();
  }

  /** An extension's value, or a field that the message does not have. */
  readOther(message: Message, name: string, value: unknown, depth: number): void {
    const read = (container: DescMessage, json: object) => this.slotOf(container).read(json, depth);
    if (readExtension(message, name, value, this.policy.types, read)) return;
    if (this.policy.rejectUnknownFields) throw reader.unknownField(message.$typeName, name);
  }
}

/**
 * Generates, for `message M { string first_name = 1; repeated M items = 2; }`:
 *
 *     function read(j, depth) {
 *       if (typeof j !== "object" || j === null || Array.isArray(j)) throw expected("M", "an object", j);
 *       if (depth > limit) throw tooDeep("M");
 *       const m = create();
 *       for (const k in j) {
 *         let v = j[k];
 *         switch (k) {
 *           case "first_name": if (hasOwn(j, "firstName")) throw fieldTwice("M", k);
 *           case "firstName": if (v === null) break;
 *             if (typeof v !== "string") throw expected("M.first_name", "a string", v);
 *             m["firstName"] = v;
 *             break;
 *           case "items": if (v === null) break;
 *             <v must be an array> for (let i = 0; i < v.length; i++) { let w = v[i]; ...; v[count++] = w; }
 *             m["items"] = v;
 *             break;
 *           default: readers.readOther(m, k, v, depth);
 *         }
 *       }
 *       return m;
 *     }
 */
class JsonReaderSource {
  readonly #desc: DescMessage;
  readonly #readers: JsonReaders;
  readonly #source = new Source();

  constructor(desc: DescMessage, readers: JsonReaders) {
    this.#desc = desc;
    this.#readers = readers;
  }

  build(): ReadJson {
    const source = this.#source;
    const name = quote(this.#desc.typeName);
    const expected = source.constant(reader.expected);
    source.add(
      "function read(j, depth) {",
      `if (typeof j !== "object" || j === null || Array.isArray(j)) throw ${expected}(${name}, "an object", j);`,
      `if (depth > ${depthLimit}) throw ${source.constant(reader.tooDeep)}(${name});`,
      `const m = ${source.constant(compileCreate(this.#desc))}();`,
      // The names of what JSON.parse made are its own, unless someone made Object.prototype enumerable.
      "for (const k in j) {",
      "let v = j[k];",
      "switch (k) {",
    );
    for (const field of this.#desc.fields) this.#addField(field);
    source.add(`default: ${source.constant(this.#readers)}.readOther(m, k, v, depth);`, "}", "}", "return m;", "}");
    return source.build();
  }

  /** A wrapper is the value that it holds. */
  buildWrapper(): ReadJson {
    const source = this.#source;
    const field = this.#desc.fields[0]!;
    source.add("function read(v) {", `const m = ${source.constant(compileCreate(this.#desc))}();`, "if (v !== null) {");
    this.#addScalar(field, field.scalar!, "v");
    source.add(`m[${quote(field.localName)}] = v;`, "}", "return m;", "}");
    return source.build();
  }

  #addField(field: DescField): void {
    const source = this.#source;
    if (field.name !== field.jsonName) {
      const twice = `throw ${source.constant(reader.fieldTwice)}(${quote(this.#desc.typeName)}, k);`;
      source.add(
        `case ${quote(field.name)}:`,
        `if (${source.constant(Object.hasOwn)}(j, ${quote(field.jsonName)})) ${twice}`,
      );
    }
    source.add(`case ${quote(field.jsonName)}:`);
    if (!takesNull(field)) source.add("if (v === null) break;");
    switch (field.fieldKind) {
      case "list":
        this.#addList(field);
        break;
      case "map":
        this.#addMap(field);
        break;
      default:
        if (field.oneof === undefined) {
          this.#addValue(field, field.fieldKind, "v", "break;");
          source.add(`m[${quote(field.localName)}] = v;`);
        } else this.#addOneof(field);
    }
    source.add("break;");
  }

  #addOneof(field: SingularField): void {
    const source = this.#source;
    const oneof = `m[${quote(field.oneof!.localName)}]`;
    const twice = `${source.constant(reader.oneofTwice)}(${quote(this.#desc.typeName)}, ${quote(field.oneof!.name)}, k)`;
    source.add(`if (${oneof}.case !== undefined) throw ${twice};`);
    this.#addValue(field, field.fieldKind, "v", "break;");
    source.add(`${oneof} = { case: ${quote(field.localName)}, value: v };`);
  }

  // Turns the JSON in `variable` into the value that the message holds; runs `skip` where it is to be passed over.
  #addValue(field: DescField, kind: "scalar" | "enum" | "message", variable: string, skip: string): void {
    if (kind === "scalar") this.#addScalar(field, field.scalar!, variable);
    else if (kind === "enum") this.#addEnum(field, field.enum!, variable, skip);
    else this.#addMessage(field as DescField & { message: DescMessage }, variable);
  }

  #addScalar(field: DescField, scalar: ScalarType, variable: string): void {
    const source = this.#source;
    const name = quote(fieldName(field));
    const expected = source.constant(reader.expected);
    switch (scalar) {
      case ScalarType.STRING:
        source.add(`if (typeof ${variable} !== "string") throw ${expected}(${name}, "a string", ${variable});`);
        return;
      case ScalarType.BOOL:
        source.add(`if (typeof ${variable} !== "boolean") throw ${expected}(${name}, "true or false", ${variable});`);
        return;
    }
    source.add(`${variable} = ${source.constant(readerOf(field, scalar))}(${variable}, ${name});`);
  }

  #addEnum(field: DescField, desc: DescEnum, variable: string, skip: string): void {
    const source = this.#source;
    const { numbers, closedNumbers } = enumTableOf(desc);
    const isLenient = !this.#readers.policy.rejectUnknownFields;
    const names = [source.constant(numbers), source.constant(closedNumbers), isLenient, quote(fieldName(field))];
    const read = `${source.constant(reader.readEnum)}(${variable}, ${names.join(", ")})`;
    source.add(
      isNullValue(desc) ? `${variable} = ${variable} === null ? 0 : ${read};` : `${variable} = ${read};`,
      `if (${variable} === undefined) ${skip}`,
    );
  }

  #addMessage(field: DescField & { message: DescMessage }, variable: string): void {
    const source = this.#source;
    if (isJsonStruct(field)) {
      source.add(`${variable} = ${source.constant(readStruct)}(${variable}, depth + 1);`);
    } else if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(field.message)) {
      // The field holds what is inside of the wrapper.
      const inner = field.message.fields[0]!;
      this.#addScalar(inner, inner.scalar!, variable);
    } else {
      source.add(`${variable} = ${source.constant(this.#readers.slotOf(field.message))}.read(${variable}, depth + 1);`);
    }
  }

  // JSON.parse made the array for us: the message keeps it, with its items changed to what they mean.
  #addList(field: DescField & { fieldKind: "list" }): void {
    const source = this.#source;
    const name = quote(fieldName(field));
    source.add(
      `if (!Array.isArray(v)) throw ${source.constant(reader.expected)}(${name}, "an array", v);`,
      "{ let count = 0;",
      "for (let i = 0; i < v.length; i++) {",
      "let w = v[i];",
    );
    this.#addNullCheck(field, name, "in an array");
    this.#addValue(field, field.listKind, "w", "continue;");
    source.add(
      "v[count++] = w;",
      "}",
      "if (count !== v.length) v.length = count;",
      `m[${quote(field.localName)}] = v;`,
      "}",
    );
  }

  // Where names stay as they are, the message keeps the object as well.
  #addMap(field: DescField & { fieldKind: "map" }): void {
    const source = this.#source;
    const name = quote(fieldName(field));
    const isInPlace = field.mapKey === ScalarType.STRING;
    source.add(
      `if (typeof v !== "object" || Array.isArray(v)) throw ${source.constant(reader.expected)}(${name}, "an object", v);`,
      `{ const record = ${isInPlace ? "v" : "{}"};`,
      "for (const e in v) {",
      "let w = v[e];",
    );
    this.#addNullCheck(field, name, "in a map");
    this.#addValue(field, field.mapKind, "w", isInPlace ? "{ delete v[e]; continue; }" : "continue;");
    switch (field.mapKey) {
      case ScalarType.STRING:
        // Its own __proto__, which JSON.parse made, is set like any other name.
        source.add("record[e] = w;");
        break;
      case ScalarType.BOOL:
        source.add(`record[${source.constant(reader.readBoolKey)}(e, ${name})] = w;`);
        break;
      default: {
        const read = source.constant(scalarReaders[field.mapKey]);
        const key = `${source.constant(reader.readIntKey)}(e, ${read}, ${name})`;
        source.add(`${source.constant(reader.setEntry)}(record, ${key}, w, ${name});`);
      }
    }
    source.add("}", `m[${quote(field.localName)}] = record;`, "}");
  }

  #addNullCheck(field: DescField, name: string, where: string): void {
    if (takesNull(field)) return;
    const problem = this.#source.constant(reader.problem);
    this.#source.add(`if (w === null) throw ${problem}(${name}, "null has no meaning ${where}");`);
  }
}
