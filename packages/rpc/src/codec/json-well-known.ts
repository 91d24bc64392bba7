import { create, type DescMessage, type JsonObject, type JsonValue, type Registry, toBinary } from "@bufbuild/protobuf";
import { protoCamelCase, protoSnakeCase } from "@bufbuild/protobuf/reflect";
import {
  type Any,
  type Duration,
  type FieldMask,
  isWrapperDesc,
  type ListValue,
  type Struct,
  type Timestamp,
  type Value,
} from "@bufbuild/protobuf/wkt";
import type { JsonPolicy } from "./json-options.ts";
import { expected, problem } from "./json-reader.ts";
import * as writer from "./json-writer.ts";
import { readProto } from "./proto-decode.ts";
import { readTime, secondsMax, secondsMin, writeTime } from "./rfc3339.ts";
import { listFromJson, settleJson, structFromJson, structToJson, valueFromJson, valueToJson } from "./struct.ts";

// The messages of google.protobuf that have a form of their own in JSON. Wrappers are compiled like what they hold.

interface Writers {
  readonly policy: JsonPolicy;
  slotOf(desc: DescMessage): writer.JsonWriterSlot;
}

/** The function that writes one of them; undefined for any other message. */
export function wellKnownWriter(desc: DescMessage, writers: Writers): writer.WriteJson | undefined {
  const write = findWriter(desc, writers) as writer.WriteJson | undefined;
  if (write === undefined) return undefined;
  return (message, bytes, at) => {
    const given = (message as { $typeName: string }).$typeName;
    if (given !== desc.typeName) throw writer.wrongMessage(desc.typeName, given);
    if (at + writer.roomBytes > bytes.length) throw writer.full;
    return write(message, bytes, at);
  };
}

function findWriter(desc: DescMessage, writers: Writers): unknown {
  switch (desc.typeName) {
    case "google.protobuf.Any":
      return createAnyWriter(writers);
    case "google.protobuf.Timestamp":
      return writeTimestamp;
    case "google.protobuf.Duration":
      return writeDuration;
    case "google.protobuf.FieldMask":
      return writeFieldMask;
    case "google.protobuf.Struct":
      return (message: Struct, bytes: Buffer, at: number) => writeJson(bytes, at, structToJson(message, true));
    case "google.protobuf.Value":
      return (message: Value, bytes: Buffer, at: number) => writeJson(bytes, at, valueToJson(message, true));
    case "google.protobuf.ListValue":
      return (message: ListValue, bytes: Buffer, at: number) =>
        writeJson(
          bytes,
          at,
          message.values.map((value) => valueToJson(value, true)),
        );
    default:
      return undefined;
  }
}

/** A google.protobuf.Struct as protobuf-es holds it in fields. */
export function writeStruct(bytes: Buffer, at: number, value: JsonObject): number {
  requireFinite(value);
  return writeJson(bytes, at, value);
}

function requireFinite(value: JsonValue): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`google.protobuf.Value cannot be ${value}`);
  if (typeof value === "object" && value !== null) {
    for (const item of Array.isArray(value) ? value : Object.values(value)) requireFinite(item);
  }
}

function writeJson(bytes: Buffer, at: number, value: JsonValue): number {
  return writer.writeRaw(bytes, at, JSON.stringify(value));
}

/** Whether inside of an Any the message stands in a field "value". */
function hasOwnForm(desc: DescMessage): boolean {
  return ownForms.has(desc.typeName) || isWrapperDesc(desc);
}

const ownForms = new Set(
  ["Any", "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue"].map(
    (name) => `google.protobuf.${name}`,
  ),
);

function createAnyWriter(writers: Writers): writer.WriteJson<Any> {
  return (message, bytes, at) => {
    if (message.typeUrl === "") return writer.writeAscii(bytes, at, "{}");
    const desc = findAnyType(message.typeUrl, writers.policy.types);
    if (desc === undefined)
      throw new Error(`cannot encode google.protobuf.Any to JSON: ${unknownType(message.typeUrl)}`);
    const inner = readProto(desc, message.value);
    at = writer.writeRaw(bytes, at, `{"@type":${JSON.stringify(message.typeUrl)}`);
    if (hasOwnForm(desc)) {
      at = writers.slotOf(desc).write(inner, bytes, writer.writeAscii(bytes, at, ',"value":'));
      return writer.writeRaw(bytes, at, "}");
    }
    // The fields of the message follow: its opening brace becomes the comma between.
    const end = writers.slotOf(desc).write(inner, bytes, at);
    if (end - at === 2) return writer.writeRaw(bytes, at, "}");
    bytes[at] = 0x2c;
    return end;
  };
}

function findAnyType(url: string, types: Registry | undefined): DescMessage | undefined {
  const name = url.slice(url.lastIndexOf("/") + 1);
  return name === "" ? undefined : types?.getMessage(name);
}

function unknownType(url: string): string {
  return `"${url}" is not among the types that the codec was given`;
}

const durationMax = 315_576_000_000;

function writeTimestamp(message: Timestamp, bytes: Buffer, at: number): number {
  const seconds = Number(message.seconds);
  const { nanos } = message;
  if (!(seconds >= secondsMin && seconds <= secondsMax)) {
    throw new Error("cannot encode google.protobuf.Timestamp to JSON: it is not within the years 1 to 9999");
  }
  if (!(nanos >= 0 && nanos <= 999_999_999)) {
    throw new Error(`cannot encode google.protobuf.Timestamp to JSON: it has ${nanos} nanos`);
  }
  bytes[at] = 0x22;
  at = writer.writeAscii(bytes, writeTime(bytes, at + 1, seconds), fractionOf(nanos));
  bytes[at++] = 0x5a;
  bytes[at++] = 0x22;
  return at;
}

/** Nine digits or fewer, in threes, behind a point. */
function fractionOf(nanos: number): string {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  if (nanos % 1_000_000 === 0) return `.${digits.slice(0, 3)}`;
  return `.${nanos % 1000 === 0 ? digits.slice(0, 6) : digits}`;
}

function writeDuration(message: Duration, bytes: Buffer, at: number): number {
  const seconds = Number(message.seconds);
  const { nanos } = message;
  if (!(Math.abs(seconds) <= durationMax && Math.abs(nanos) <= 999_999_999)) {
    throw new Error(
      "cannot encode google.protobuf.Duration to JSON: it is more than 10,000 years, or no number of nanos",
    );
  }
  if ((seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) {
    throw new Error("cannot encode google.protobuf.Duration to JSON: seconds and nanos have different signs");
  }
  const sign = seconds < 0 || nanos < 0 ? "-" : "";
  return writer.writeAscii(bytes, at, `"${sign}${Math.abs(seconds)}${fractionOf(Math.abs(nanos))}s"`);
}

function writeFieldMask(message: FieldMask, bytes: Buffer, at: number): number {
  const paths = message.paths.map((path) => {
    const camel = protoCamelCase(path);
    if (protoSnakeCase(camel) !== path) {
      throw new Error(
        `cannot encode google.protobuf.FieldMask to JSON: the path "${path}" has no name in lowerCamelCase`,
      );
    }
    return camel;
  });
  return writer.writeRaw(bytes, at, JSON.stringify(paths.join(",")));
}

/** Reads a JSON value as a message of one type. */
export type ReadJson = (json: unknown, depth: number) => object;

interface Readers {
  readonly policy: JsonPolicy;
  slotOf(desc: DescMessage): { read: ReadJson };
}

/** The function that reads one of them; undefined for any other message. */
export function wellKnownReader(desc: DescMessage, readers: Readers): ReadJson | undefined {
  switch (desc.typeName) {
    case "google.protobuf.Any":
      return (json, depth) => readAny(desc, json, depth, readers);
    case "google.protobuf.Timestamp":
      return (json) => readTimestamp(desc, json);
    case "google.protobuf.Duration":
      return (json) => readDuration(desc, json);
    case "google.protobuf.FieldMask":
      return (json) => readFieldMask(desc, json);
    case "google.protobuf.Struct":
      return (json, depth) => structFromJson(requireStruct(json), depth);
    case "google.protobuf.Value":
      return (json, depth) => valueFromJson(json as JsonValue, depth);
    case "google.protobuf.ListValue":
      return (json, depth) => {
        if (!Array.isArray(json)) throw expected("google.protobuf.ListValue", "an array", json);
        return listFromJson(json as JsonValue[], depth);
      };
    default:
      return undefined;
  }
}

/** A google.protobuf.Struct as protobuf-es holds it in fields. */
export function readStruct(json: unknown, depth: number): JsonObject {
  return settleJson(requireStruct(json), depth);
}

function requireStruct(json: unknown): JsonObject {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as JsonObject;
  throw expected("google.protobuf.Struct", "an object", json);
}

function readAny(desc: DescMessage, json: unknown, depth: number, readers: Readers): object {
  const name = "google.protobuf.Any";
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw expected(name, "an object", json);
  }
  const { "@type": typeUrl, ...fields } = json as Record<string, unknown>;
  const any = create(desc) as Any;
  if (typeUrl === undefined && Object.keys(fields).length === 0) return any;
  if (typeof typeUrl !== "string" || typeUrl === "") throw problem(name, '"@type" is missing');
  const inner = findAnyType(typeUrl, readers.policy.types);
  if (inner === undefined) throw problem(name, unknownType(typeUrl));
  const isWrapped = hasOwnForm(inner) && Object.hasOwn(fields, "value");
  const message = readers.slotOf(inner).read(isWrapped ? fields.value : fields, depth + 1);
  any.typeUrl = typeUrl;
  any.value = toBinary(inner, message as never);
  return any;
}

function readTimestamp(desc: DescMessage, json: unknown): object {
  const time = typeof json === "string" ? readTime(json) : undefined;
  if (time === undefined) throw expected(desc.typeName, "a time of RFC 3339", json);
  if (time.seconds < secondsMin || time.seconds > secondsMax) {
    throw problem(desc.typeName, "it is not within the years 1 to 9999");
  }
  const message = create(desc) as Timestamp;
  message.seconds = BigInt(time.seconds);
  message.nanos = time.nanos;
  return message;
}

function nanosOf(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.padEnd(9, "0"));
}

function readDuration(desc: DescMessage, json: unknown): object {
  const match = typeof json === "string" ? /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(json) : null;
  if (match === null || Number(match[2]) > durationMax) {
    throw expected(desc.typeName, 'seconds such as "1.5s"', json);
  }
  const message = create(desc) as Duration;
  const sign = match[1] === "-" ? -1 : 1;
  message.seconds = BigInt(sign * Number(match[2]));
  // Not -0.
  message.nanos = sign * nanosOf(match[3]) || 0;
  return message;
}

function readFieldMask(desc: DescMessage, json: unknown): object {
  if (typeof json !== "string") throw expected(desc.typeName, "a string", json);
  const message = create(desc) as FieldMask;
  if (json === "") return message;
  if (json.includes("_")) throw problem(desc.typeName, `the paths in "${json}" are not in lowerCamelCase`);
  message.paths = json.split(",").map((path) => {
    if (!/^[A-Za-z]\w*(?:\.[A-Za-z]\w*)*$/.test(path))
      throw problem(desc.typeName, `"${path}" is not a path of fields`);
    return protoSnakeCase(path);
  });
  return message;
}
