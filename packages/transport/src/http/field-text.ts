import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonObject,
  type Message,
  type MessageShape,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { type DurationSchema, type FieldMaskSchema, isWrapperDesc, type ValueSchema } from "@bufbuild/protobuf/wkt";
import { jsonCodec } from "@clew/rpc";

/**
 * A value as it stands in a path or a query, and back. Values have the form they have in a message's property.
 * Both throw an Error whose message says what is wrong with the value; who calls knows the field.
 */
export interface TextCodec {
  /** Undefined when the text stands for no value. */
  parse(text: string): unknown;
  format(value: unknown): string;
}

/**
 * The text form of a field's value, of an element for a list, of a value for a map; undefined for a message that has none.
 * The rules are those of Kratos's form codec, without its asymmetries: what this formats, this parses.
 */
export function compileText(field: DescField): TextCodec | undefined {
  if (field.scalar !== undefined) return scalarText(field.scalar, "longAsString" in field && field.longAsString);
  if (field.enum !== undefined) return enumText(field.enum);
  // In a singular field outside of a oneof, protobuf-es keeps a wrapper as the bare value.
  const isBare = field.fieldKind === "message" && field.oneof === undefined;
  return field.message === undefined ? undefined : messageText(field.message, isBare);
}

/** The text form of a map's keys. */
export function compileKeyText(field: DescField & { fieldKind: "map" }): TextCodec {
  const { parse, format } = scalarText(field.mapKey, false);
  // Keys are property names: whatever the type, its canonical text.
  return { parse: (text) => String(parse(text)), format: (key) => format(key) };
}

function scalarText(type: ScalarType, longAsString: boolean): TextCodec {
  switch (type) {
    case ScalarType.STRING:
      return { parse: (text) => text, format: String };
    case ScalarType.BOOL:
      return { parse: parseBool, format: String };
    case ScalarType.BYTES:
      return { parse: parseBase64, format: (value) => base64Encode(value as Uint8Array) };
    case ScalarType.FLOAT:
      return { parse: (text) => parseFloatingPoint(text, Math.fround), format: String };
    case ScalarType.DOUBLE:
      return { parse: (text) => parseFloatingPoint(text, Number), format: String };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { parse: (text) => Number(parseInteger(text, -(2n ** 31n), 2n ** 31n - 1n)), format: String };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { parse: (text) => Number(parseInteger(text, 0n, 2n ** 32n - 1n)), format: String };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return longText(-(2n ** 63n), 2n ** 63n - 1n, longAsString);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return longText(0n, 2n ** 64n - 1n, longAsString);
  }
}

function longText(min: bigint, max: bigint, asString: boolean): TextCodec {
  const parse = (text: string): bigint => parseInteger(text, min, max);
  return { parse: asString ? (text) => String(parse(text)) : parse, format: String };
}

// What Go's strconv.ParseBool takes.
const booleans: Readonly<Record<string, boolean | undefined>> = {
  ...{ 1: true, t: true, T: true, TRUE: true, true: true, True: true },
  ...{ 0: false, f: false, F: false, FALSE: false, false: false, False: false },
};

function parseBool(text: string): boolean {
  const value = Object.hasOwn(booleans, text) ? booleans[text] : undefined;
  if (value === undefined) throw new Error(`${quote(text)} is neither true nor false`);
  return value;
}

function parseInteger(text: string, min: bigint, max: bigint): bigint {
  // 80 digits are more than any number in range has: BigInt takes time that grows with the square of them. What has no
  // sign has no plus either, as for Go's strconv.ParseUint.
  if (!(min < 0n ? /^[+-]?\d{1,80}$/ : /^-?\d{1,80}$/).test(text))
    throw new Error(`${quote(text)} is not a whole number`);
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  if (value < min || value > max) throw new Error(`${quote(text)} is not between ${min} and ${max}`);
  return value;
}

/** `round` is to the field's precision: 3.4028235e38, the largest float as most print it, is above it until it is rounded. */
function parseFloatingPoint(text: string, round: (value: number) => number): number {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    const value = Number(text);
    if (!Number.isFinite(round(value))) throw new Error(`${quote(text)} is out of range`);
    return value;
  }
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  throw new Error(`${quote(text)} is not a number`);
}

/** Both alphabets, with and without padding: Kratos writes one and reads the other. */
function parseBase64(text: string): Uint8Array {
  const unpadded = text.replace(/={1,2}$/, "");
  if (!/^[\w+/-]*$/.test(unpadded) || unpadded.length % 4 === 1) throw new Error(`${quote(text)} is not base64`);
  return new Uint8Array(Buffer.from(unpadded, "base64url"));
}

function enumText(desc: DescEnum): TextCodec {
  if (desc.typeName === "google.protobuf.NullValue") {
    return {
      parse: (text) => {
        if (text !== "null" && text !== "NULL_VALUE" && text !== "0") throw new Error(`${quote(text)} is not null`);
        return 0;
      },
      format: () => "null",
    };
  }
  const numbers = new Map(desc.values.map((value) => [value.name, value.number]));
  return {
    parse: (text) => {
      const byName = numbers.get(text);
      if (byName !== undefined) return byName;
      if (!/^-?\d{1,10}$/.test(text)) {
        throw new Error(`${quote(text)} is not a value of ${desc.typeName} (${list([...numbers.keys()])})`);
      }
      const number = Number(parseInteger(text, -(2n ** 31n), 2n ** 31n - 1n));
      if (!desc.open && desc.value[number] === undefined) throw new Error(`${text} is not a value of ${desc.typeName}`);
      return number;
    },
    format: (value) => desc.value[value as number]?.name ?? String(value),
  };
}

function messageText(desc: DescMessage, isBare: boolean): TextCodec | undefined {
  if (isWrapperDesc(desc)) {
    const text = scalarText(desc.fields[0]!.scalar!, false);
    if (isBare) return text;
    return {
      parse: (value) => create(desc as DescMessage, { value: text.parse(value) }),
      format: (value) => text.format((value as { value: unknown }).value),
    };
  }
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return {
        parse: (text) => (text === "null" ? undefined : parseTime(desc, text)),
        format: (value) => toJson(desc, value as Message) as string,
      };
    case "google.protobuf.Duration":
      return {
        parse: (text) => (text === "null" ? undefined : parseDuration(desc as typeof DurationSchema, text)),
        format: (value) => toJson(desc, value as Message) as string,
      };
    case "google.protobuf.FieldMask":
      return {
        parse: (text) => {
          const paths = text.split(",").filter((path) => path !== "");
          return create(desc as typeof FieldMaskSchema, { paths: paths.map(toSnakeCase) });
        },
        format: (value) => toJson(desc, value as Message) as string,
      };
    case "google.protobuf.Value":
      return {
        parse: (text) => create(desc as typeof ValueSchema, { kind: { case: "stringValue", value: text } }),
        format: (value) => {
          const { kind } = value as MessageShape<typeof ValueSchema>;
          if (kind.case !== "stringValue")
            throw new Error("is a google.protobuf.Value that is not a string; only strings have a text form");
          return kind.value;
        },
      };
    case "google.protobuf.Struct":
      return { parse: parseObject, format: (value) => JSON.stringify(value) };
    default:
      return undefined;
  }
}

/** As the codec of bodies reads it: protobuf-es takes the 30th of February for the 1st of March. */
function parseTime(desc: DescMessage, text: string): Message {
  try {
    return jsonCodec.compile(desc).decode(Buffer.from(JSON.stringify(text)));
  } catch (cause) {
    throw new Error(`${quote(text)} is not a date and time like 2006-01-02T15:04:05Z`, { cause });
  }
}

function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${quote(text)} is not JSON`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${quote(text)} is not a JSON object`);
  return value as JsonObject;
}

const nanosByUnit: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n, // U+00B5
  μs: 1_000n, // U+03BC
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Reads `1.5s` (the JSON mapping) and `1m0.5s` (Go's time.ParseDuration, which contains it). */
function parseDuration(desc: typeof DurationSchema, text: string): Message {
  const [, sign, rest = ""] = /^([+-]?)(.*)$/s.exec(text)!;
  let nanos = 0n;
  if (rest !== "0") {
    if (!/^(?:(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) {
      throw new Error(`${quote(text)} is not a duration like 1.5s or 1m30s`);
    }
    for (const [, whole = "", fraction = "", unit = ""] of rest.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
      const size = nanosByUnit[unit]!;
      nanos += BigInt(whole || "0") * size + (BigInt(fraction || "0") * size) / 10n ** BigInt(fraction.length);
    }
  }
  if (nanos > 315_576_000_000n * 1_000_000_000n) throw new Error(`${quote(text)} is longer than 10000 years`);
  if (sign === "-") nanos = -nanos;
  return create(desc, { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) });
}

function toSnakeCase(path: string): string {
  return path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What a caller sent, cut short: it comes back in an error. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

function list(names: readonly string[]): string {
  return names.length > 10 ? `${names.slice(0, 10).join(", ")}, ...` : names.join(", ");
}
