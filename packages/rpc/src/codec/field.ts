import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { quote, type Source } from "./source.ts";

/** A field that is no list and no map. */
export type SingularField = DescField & { fieldKind: "scalar" | "enum" | "message" };

/** The name by which errors know a field. */
export function fieldName(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

/** The condition that a value of this type, as `value`, is the one that implicit presence leaves out. */
export function isZero(scalar: ScalarType, value: string): string {
  switch (scalar) {
    case ScalarType.STRING:
      return `${value} === ""`;
    case ScalarType.BOOL:
      return `${value} === false`;
    case ScalarType.BYTES:
      return `${value}.length === 0`;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return `Object.is(${value}, 0)`; // -0 is written
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return `(typeof ${value} === "bigint" ? ${value} === 0n : ${value} == 0)`; // text where jstype says so
    default:
      return `${value} === 0`;
  }
}

/** The condition that `v`, read from the field's property of `m`, is to be written. */
export function isSet(desc: DescMessage, field: SingularField, source: Source): string {
  if (field.fieldKind === "message") return "v !== undefined";
  if (field.presence === FeatureSet_FieldPresence.IMPLICIT) {
    return field.fieldKind === "scalar" ? `!(${isZero(field.scalar, "v")})` : `v !== ${field.enum.values[0]!.number}`;
  }
  // Fields with explicit presence have their defaults on the prototype. A value that is no default is the message's own.
  const prototype = Object.getPrototypeOf(create(desc)) as Record<string, unknown>;
  if (prototype === Object.prototype) return "v !== undefined";
  const owns = `${source.constant(Object.prototype.hasOwnProperty)}.call(m, ${quote(field.localName)})`;
  const zero = prototype[field.localName];
  if (Number.isNaN(zero)) return `v !== undefined && ${owns}`;
  return `v !== undefined && (v !== ${source.constant(zero)} || ${owns})`;
}
