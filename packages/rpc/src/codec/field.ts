import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { quote, type Source } from "./source.ts";

/** A field that is neither a list nor a map. */
export type SingularField = DescField & { fieldKind: "scalar" | "enum" | "message" };

/** The name of a field in errors. */
export function fieldName(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

/** The condition that `value`, of this scalar type, is the zero value that a field without presence omits. */
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

/** The condition that `v`, read from the field's property of `m`, must be written. */
export function isSet(desc: DescMessage, field: SingularField, source: Source): string {
  if (field.fieldKind === "message") return "v !== undefined";
  if (field.presence === FeatureSet_FieldPresence.IMPLICIT) {
    return field.fieldKind === "scalar" ? `!(${isZero(field.scalar, "v")})` : `v !== ${field.enum.values[0]!.number}`;
  }
  // The defaults of fields with explicit presence are on the prototype: a value that differs from the prototype's is the
  // message's own.
  const prototype = Object.getPrototypeOf(create(desc)) as Record<string, unknown>;
  if (prototype === Object.prototype) return "v !== undefined";
  const owns = `${source.constant(Object.prototype.hasOwnProperty)}.call(m, ${quote(field.localName)})`;
  const zero = prototype[field.localName];
  if (Number.isNaN(zero)) return `v !== undefined && ${owns}`;
  return `v !== undefined && (v !== ${source.constant(zero)} || ${owns})`;
}
