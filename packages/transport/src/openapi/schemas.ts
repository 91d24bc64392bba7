import { type DescEnum, type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { JsonCodecOptions } from "@clew/rpc";
import { FieldBehavior, field_behavior } from "../gen/google/api/field_behavior_pb.ts";
import type { Comments } from "./comments.ts";
import {
  type Constraint,
  celNotes,
  constrainValue,
  isOneofRequired,
  messageRulesOf,
  refusesEmpty,
  rulesOf,
  type ValueForm,
} from "./constraints.ts";
import type { Schema } from "./document.ts";

/** What holds of a field wherever it stands. */
export interface FieldTraits {
  readonly description: string | undefined;
  readonly isDeprecated: boolean;
  readonly isRequired: boolean;
}

/**
 * Schemas of messages as the JSON mapping of protobuf writes them, each once, by its full name. One that a method writes in another
 * way is beside it, with what is other about it behind its name: `shop.Order-int64AsNumber`.
 */
export class Schemas {
  readonly #comments: Comments;
  readonly #useProtoFieldNames: boolean;
  readonly #form: ValueForm;
  readonly #components: Map<string, Schema>;
  /** What most methods have; undefined when this is it. */
  readonly #main: Schemas | undefined;
  readonly #others: Map<string, Schemas> = new Map();

  constructor(comments: Comments, json: JsonCodecOptions = {}, main?: Schemas) {
    this.#comments = comments;
    this.#useProtoFieldNames = json.useProtoFieldNames ?? false;
    const { int64AsNumber = false, enumAsNumber = false } = json;
    this.#form = { int64: int64AsNumber === "safe" ? "both" : int64AsNumber ? "number" : "text", enumAsNumber };
    this.#main = main;
    this.#components = main === undefined ? new Map() : main.#components;
  }

  /** The same messages, as another choice of JSON writes them. */
  writtenAs(json: JsonCodecOptions): Schemas {
    const wanted = new Schemas(this.#comments, json, this);
    const difference = wanted.#differences().join("-");
    if (difference === "") return this;
    const known = this.#others.get(difference) ?? wanted;
    this.#others.set(difference, known);
    return known;
  }

  /** What is other than in the main choice, as names of components tell it. */
  #differences(): string[] {
    if (this.#main === undefined) return [];
    const { int64, enumAsNumber } = this.#form;
    const main = this.#main;
    return [
      ...(int64 === main.#form.int64
        ? []
        : [`int64As${{ text: "Text", number: "Number", both: "NumberOrText" }[int64]}`]),
      ...(enumAsNumber === main.#form.enumAsNumber ? [] : [enumAsNumber ? "enumAsNumber" : "enumAsName"]),
      ...(this.#useProtoFieldNames === main.#useProtoFieldNames
        ? []
        : [this.#useProtoFieldNames ? "protoNames" : "jsonNames"]),
    ];
  }

  /** The name of a message's or an enum's schema: its own where it is written as in the main choice. */
  #componentOf(desc: DescMessage | DescEnum): string {
    return this.#isOther(desc, new Set()) ? `${desc.typeName}-${this.#differences().join("-")}` : desc.typeName;
  }

  #isOther(desc: DescMessage | DescEnum, seen: Set<DescMessage>): boolean {
    const main = this.#main;
    if (main === undefined) return false;
    if (desc.kind === "enum") return this.#form.enumAsNumber !== main.#form.enumAsNumber;
    if (seen.has(desc) || wellKnown[desc.typeName] !== undefined) return false;
    seen.add(desc);
    return desc.fields.some((field) => {
      if (this.nameOf(field) !== main.nameOf(field)) return true;
      if (field.scalar !== undefined) return longs.has(field.scalar) && this.#form.int64 !== main.#form.int64;
      const inner = field.enum ?? field.message;
      return inner !== undefined && this.#isOther(inner, seen);
    });
  }

  /** All that were referred to, and what these refer to, by name. */
  components(): Record<string, Schema> {
    return Object.fromEntries([...this.#components].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** Adds a schema that is of no message; returns what refers to it. */
  add(name: string, schema: Schema): Schema {
    this.#components.set(name, schema);
    return { $ref: `#/components/schemas/${name}` };
  }

  /** A message as a whole. */
  message(desc: DescMessage): Schema {
    const known = wellKnown[desc.typeName];
    if (known !== undefined) return known;
    if (isWrapperDesc(desc)) return this.#scalar(desc.fields[0]!.scalar!);
    const name = this.#componentOf(desc);
    if (!this.#components.has(name)) {
      // There before its fields are: one of them may be of this message.
      this.#components.set(name, {});
      this.#components.set(name, this.object(desc));
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** A message's fields without some of them, spelled out. */
  object(desc: DescMessage, without: ReadonlySet<DescField> = new Set()): Schema {
    const fields = desc.fields.filter((field) => !without.has(field));
    const required = fields.filter((field) => this.traits(field).isRequired).map((field) => this.nameOf(field));
    const rules = messageRulesOf(desc);
    const choices = [
      ...desc.oneofs.map((oneof) => ({ members: oneof.fields, isRequired: isOneofRequired(oneof) })),
      ...(rules?.oneof ?? []).map(({ fields: names, required }) => ({
        members: names.flatMap((name) => desc.fields.find((field) => field.name === name) ?? []),
        isRequired: required,
      })),
    ];
    const alternatives = choices
      .filter(({ members }) => members.length > 0 && members.every((field) => !without.has(field)))
      .map(({ members, isRequired }) =>
        oneOf(
          members.map((field) => this.nameOf(field)),
          isRequired,
        ),
      );
    const description = join(this.#comments.of(desc), rules === undefined ? [] : celNotes(rules));
    return {
      type: "object",
      ...(description !== undefined && { description }),
      ...(desc.deprecated && { deprecated: true }),
      properties: Object.fromEntries(fields.map((field) => [this.nameOf(field), this.field(field)])),
      ...(required.length > 0 && { required }),
      ...(alternatives.length === 1 ? alternatives[0] : alternatives.length > 1 && { allOf: alternatives }),
    };
  }

  /** A field with all that is known of it. */
  field(field: DescField): Schema {
    const schema = this.value(field);
    const { description, isDeprecated } = this.traits(field);
    const behavior = getOption(field, field_behavior);
    return {
      ...schema,
      ...(description !== undefined && { description }),
      ...(isDeprecated && { deprecated: true }),
      ...(behavior.includes(FieldBehavior.OUTPUT_ONLY) && { readOnly: true }),
      ...(behavior.includes(FieldBehavior.INPUT_ONLY) && { writeOnly: true }),
    };
  }

  /** What a field holds, with its rules. */
  value(field: DescField): Schema {
    const rules = rulesOf(field);
    if (field.fieldKind === "list") {
      const list = rules?.type.case === "repeated" ? rules.type.value : undefined;
      const items = this.element(field);
      return {
        type: "array",
        items: list?.items === undefined ? items : constrain(items, constrainValue(list.items, field, this.#form)),
        ...(list !== undefined && list.minItems > 0n && { minItems: Number(list.minItems) }),
        ...(list !== undefined && list.maxItems > 0n && { maxItems: Number(list.maxItems) }),
        ...(list?.unique && { uniqueItems: true }),
      };
    }
    if (field.fieldKind === "map") {
      const map = rules?.type.case === "map" ? rules.type.value : undefined;
      const values = this.element(field);
      const keys = map?.keys && constrainValue(map.keys, field, { int64: "text", enumAsNumber: false });
      return {
        type: "object",
        additionalProperties:
          map?.values === undefined ? values : constrain(values, constrainValue(map.values, field, this.#form)),
        ...(keys !== undefined &&
          field.mapKey === ScalarType.STRING &&
          Object.keys(keys.keywords).length > 0 && { propertyNames: keys.keywords }),
        ...(map !== undefined && map.minPairs > 0n && { minProperties: Number(map.minPairs) }),
        ...(map !== undefined && map.maxPairs > 0n && { maxProperties: Number(map.maxPairs) }),
      };
    }
    const schema = this.element(field);
    return rules === undefined ? schema : constrain(schema, constrainValue(rules, field, this.#form));
  }

  /** One value of a field's type, without its rules. */
  element(field: DescField): Schema {
    if (field.scalar !== undefined) return this.#scalar(field.scalar);
    if (field.enum !== undefined) return this.#enum(field.enum);
    return field.message === undefined ? {} : this.message(field.message);
  }

  traits(field: DescField): FieldTraits {
    const rules = rulesOf(field);
    const behavior = getOption(field, field_behavior);
    const notes = rules === undefined ? [] : constrainValue(rules, field, this.#form).notes;
    return {
      description: join(this.#comments.of(field), [
        ...notes,
        ...(behavior.includes(FieldBehavior.IMMUTABLE) ? ["is set once and stays"] : []),
      ]),
      isDeprecated: field.deprecated,
      isRequired:
        rules?.required === true ||
        (rules !== undefined && refusesEmpty(rules, field)) ||
        behavior.includes(FieldBehavior.REQUIRED) ||
        field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED,
    };
  }

  /** What a field is called in JSON and in queries. */
  nameOf(field: DescField): string {
    return this.#useProtoFieldNames ? field.name : field.jsonName;
  }

  #enum(desc: DescEnum): Schema {
    if (desc.typeName === "google.protobuf.NullValue") return { type: "null" };
    const name = this.#componentOf(desc);
    if (!this.#components.has(name)) {
      const described = desc.values.flatMap((value) => {
        const comment = this.#comments.of(value);
        return comment === undefined ? [] : [`- \`${value.name}\`: ${comment.replaceAll("\n", " ")}`];
      });
      const description = [this.#comments.of(desc), described.join("\n")].filter(Boolean).join("\n\n");
      // Two names may have one number.
      const values = desc.values.map((value) => (this.#form.enumAsNumber ? value.number : value.name));
      this.#components.set(name, {
        type: this.#form.enumAsNumber ? "integer" : "string",
        ...(description !== "" && { description }),
        ...(desc.deprecated && { deprecated: true }),
        enum: [...new Set(values)],
      });
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  #scalar(type: ScalarType): Schema {
    switch (type) {
      case ScalarType.STRING:
        return { type: "string" };
      case ScalarType.BOOL:
        return { type: "boolean" };
      case ScalarType.BYTES:
        return { type: "string", contentEncoding: "base64" };
      case ScalarType.FLOAT:
        return floatingPoint("float");
      case ScalarType.DOUBLE:
        return floatingPoint("double");
      case ScalarType.INT32:
      case ScalarType.SINT32:
      case ScalarType.SFIXED32:
        return { type: "integer", format: "int32" };
      case ScalarType.UINT32:
      case ScalarType.FIXED32:
        return { type: "integer", format: "uint32", minimum: 0 };
      case ScalarType.INT64:
      case ScalarType.SINT64:
      case ScalarType.SFIXED64:
        return this.#long("int64");
      case ScalarType.UINT64:
      case ScalarType.FIXED64:
        return this.#long("uint64");
    }
  }

  #long(format: "int64" | "uint64"): Schema {
    const { int64 } = this.#form;
    const least = format === "uint64" && int64 !== "text" ? { minimum: 0 } : {};
    if (int64 === "number") return { type: "integer", format, ...least };
    const pattern = format === "int64" ? "^-?[0-9]+$" : "^[0-9]+$";
    return { type: int64 === "both" ? ["integer", "string"] : "string", format, ...least, pattern };
  }
}

const longs: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);

/** A number, or the text of what JSON has no number for. */
function floatingPoint(format: "float" | "double"): Schema {
  return {
    anyOf: [
      { type: "number", format },
      { type: "string", enum: ["NaN", "Infinity", "-Infinity"] },
    ],
  };
}

/** A schema with the keywords of rules. */
function constrain(schema: Schema, { keywords }: Constraint): Schema {
  if (Object.keys(keywords).length === 0) return schema;
  const [number, text] = Array.isArray(schema.anyOf) ? (schema.anyOf as Schema[]) : [];
  // A number with rules is a number: NaN passes none.
  const base = number !== undefined && text !== undefined ? number : schema;
  const own = Object.fromEntries(Object.entries(keywords).filter(([name, value]) => base[name] !== value));
  // Both have their say where they have the same keyword.
  return Object.keys(own).some((name) => name in base) ? { ...base, allOf: [own] } : { ...base, ...own };
}

/** At most one of these properties, or exactly one. */
function oneOf(names: readonly string[], isRequired: boolean): Schema {
  const one = names.map((name) => ({ required: [name] }));
  return { oneOf: isRequired ? one : [...one, { not: { anyOf: one } }] };
}

/** A comment and notes below it. */
function join(comment: string | undefined, notes: readonly string[]): string | undefined {
  const list = notes.map((note) => `- ${note}`).join("\n");
  return [comment, list].filter((part) => part !== undefined && part !== "").join("\n\n") || undefined;
}

const wellKnown: Readonly<Record<string, Schema | undefined>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", examples: ["1.5s"] },
  "google.protobuf.FieldMask": { type: "string", examples: ["title,author.name"] },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.Any": {
    type: "object",
    properties: { "@type": { type: "string", description: "The type's URL; its fields stand beside this." } },
  },
};
