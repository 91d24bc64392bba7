import { type DescEnum, type DescField, ScalarType } from "@bufbuild/protobuf";
import * as reader from "./json-reader.ts";

// What is known of a field before any JSON is there to read, for generated readers and for closures.

/** Reads a value of JSON; the name is that of the field. */
export type ReadScalar = (json: unknown, name: string) => unknown;

/** What reads a scalar, by its type. */
export const scalarReaders: Readonly<Record<ScalarType, ReadScalar>> = {
  [ScalarType.DOUBLE]: reader.readDouble,
  [ScalarType.FLOAT]: reader.readFloat,
  [ScalarType.INT64]: reader.readInt64,
  [ScalarType.UINT64]: reader.readUint64,
  [ScalarType.INT32]: reader.readInt32,
  [ScalarType.FIXED64]: reader.readUint64,
  [ScalarType.FIXED32]: reader.readUint32,
  [ScalarType.BOOL]: reader.readBool,
  [ScalarType.STRING]: reader.readString,
  [ScalarType.BYTES]: reader.readBytes,
  [ScalarType.UINT32]: reader.readUint32,
  [ScalarType.SFIXED32]: reader.readInt32,
  [ScalarType.SFIXED64]: reader.readInt64,
  [ScalarType.SINT32]: reader.readInt32,
  [ScalarType.SINT64]: reader.readInt64,
};

/** What reads a scalar of a field that is no map, which may keep 64 bits as text. */
export function readerOf(field: DescField, scalar: ScalarType): ReadScalar {
  const read = scalarReaders[scalar];
  if (field.fieldKind !== "map" && (field as { longAsString?: boolean }).longAsString === true) {
    if (read === reader.readInt64) return reader.readInt64Text;
    if (read === reader.readUint64) return reader.readUint64Text;
  }
  return read;
}

/** Whether the only value of the enum is null. */
export function isNullValue(desc: DescEnum): boolean {
  return desc.typeName === "google.protobuf.NullValue";
}

/** Whether null is a value of the field, or of its items: elsewhere it means that there is none. */
export function takesNull(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Value" || (field.enum !== undefined && isNullValue(field.enum));
}

export interface EnumTable {
  readonly numbers: ReadonlyMap<string, number>;
  /** The values that it has, where it may have no others. */
  readonly closedNumbers: ReadonlySet<number> | undefined;
}

const enumTables = new WeakMap<DescEnum, EnumTable>();

export function enumTableOf(desc: DescEnum): EnumTable {
  let table = enumTables.get(desc);
  if (table === undefined) {
    table = {
      // A name of the .proto wins over a name for JSON that is the same.
      numbers: new Map([
        ...desc.values.map(({ jsonName, number }): [string, number] => [jsonName, number]),
        ...desc.values.map(({ name, number }): [string, number] => [name, number]),
      ]),
      closedNumbers: desc.open ? undefined : new Set(desc.values.map(({ number }) => number)),
    };
    enumTables.set(desc, table);
  }
  return table;
}
