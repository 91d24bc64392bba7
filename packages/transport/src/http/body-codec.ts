import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { scalarZeroValue } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { type Codec, jsonCodec, type MessageCodec, protoCodec } from "@clew/rpc";
import { decodeUtf8 } from "../utf8.ts";
import { formCodec } from "./binding.ts";

/** A codec made ready for one body, and the content type it goes by there. */
export interface BodyCodec extends MessageCodec<Message> {
  readonly contentType: string;
}

/** The codecs for one body, by the subtype of a content type; the first is what is used when nobody asks for another. */
export type BodyCodecs = ReadonlyMap<string, BodyCodec>;

export const defaultCodecs: readonly Codec[] = [jsonCodec, protoCodec, formCodec];

/**
 * Other subtypes that mean the same bytes. Kratos 3 keeps `json` for Go structs and says `protojson` where
 * it means this mapping.
 */
const aliases: Readonly<Record<string, readonly string[] | undefined>> = {
  json: ["protojson"],
  proto: ["protobuf", "x-protobuf"],
  yaml: ["x-yaml"],
  msgpack: ["x-msgpack", "vnd.msgpack"],
};

/** The codecs for a body that is a message, or one field of it. A codec that cannot write that field alone is left out. */
export function compileBodyCodecs(codecs: readonly Codec[], desc: DescMessage, field?: DescField): BodyCodecs {
  const bySubtype = new Map<string, BodyCodec>();
  for (const codec of codecs) {
    const compiled = field === undefined ? codec.compile(desc) : compileFieldCodec(codec, desc, field);
    if (compiled === undefined) continue;
    bySubtype.set(codec.name, { ...compiled, contentType: codec.contentType });
    for (const alias of aliases[codec.name] ?? []) {
      bySubtype.set(alias, { ...compiled, contentType: `application/${alias}` });
    }
  }
  return bySubtype;
}

function compileFieldCodec(codec: Codec, desc: DescMessage, field: DescField): MessageCodec<Message> | undefined {
  if (
    field.fieldKind === "message" &&
    !isWrapperDesc(field.message) &&
    field.message.typeName !== "google.protobuf.Struct"
  ) {
    const inner = codec.compile(field.message);
    const { encodeText } = inner;
    return {
      encode: (message) => inner.encode(readField(message, field) ?? create(field.message)),
      ...(encodeText && { encodeText: (message) => encodeText(readField(message, field) ?? create(field.message)) }),
      decode: (bytes) => writeField(create(desc), field, inner.decode(bytes)),
    };
  }
  if (codec.name !== "json") return undefined;
  // What is no message has a JSON form only inside of one.
  const outer = codec.compile(desc);
  const keepDigits = isLong(field) ? keepNumber : undefined;
  const encodeText = (message: Message): string => {
    const json = JSON.parse(decodeUtf8(outer.encode(message)), keepDigits) as Record<string, unknown>;
    return JSON.stringify(json[field.jsonName] ?? json[field.name] ?? zeroOf(field));
  };
  return {
    encode: (message) => Buffer.from(encodeText(message)),
    encodeText,
    decode: (bytes) => {
      const text = decodeUtf8(bytes);
      if (text === "") return create(desc);
      // Parsed to be sure that it is one value and no more; put back as it came: 1e400 would be written as null.
      JSON.parse(text);
      return outer.decode(Buffer.from(`{${JSON.stringify(field.jsonName)}:${text}}`));
    },
  };
}

/** What a field that was left out for its zero value is as JSON. */
function zeroOf(field: DescField): unknown {
  if (field.fieldKind === "list") return [];
  if (field.fieldKind === "map") return {};
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return null;
  if (field.fieldKind === "enum") return field.enum.values[0]?.name ?? 0;
  if (field.fieldKind === "scalar") {
    if (isLong(field)) return "0";
    return field.scalar === ScalarType.BYTES ? "" : scalarZeroValue(field.scalar, false);
  }
  return null;
}

const longTypes: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

function isLong(field: DescField): boolean {
  return longTypes.has(field.scalar);
}

/** A reviver of JSON.parse that keeps numbers as they are written: those of 64 bits are more than a number holds. */
function keepNumber(_key: string, value: unknown, { source }: { source?: string } = {}): unknown {
  return typeof value === "number" && source !== undefined ? rawJson(source) : value;
}

// ES2026; Node has it since 21, TypeScript's library does not yet.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

export function readField(message: Message, field: DescField): Message | undefined {
  const properties = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) return properties[field.localName] as Message | undefined;
  const oneof = properties[field.oneof.localName] as { case?: string; value?: Message };
  return oneof.case === field.localName ? oneof.value : undefined;
}

export function writeField(message: Message, field: DescField, value: Message): Message {
  const properties = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) properties[field.localName] = value;
  else properties[field.oneof.localName] = { case: field.localName, value };
  return message;
}

/** The first line of a codec's complaint, cut short: parts of the body may be in it. */
export function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split("\n", 1)[0]!;
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}

/** The codec for a body of this content type; `application/vnd.shop+json` is read as JSON (RFC 6838 section 4.2.8). */
export function findCodec<T>(codecs: ReadonlyMap<string, T>, contentType: string): T | undefined {
  const subtype = subtypeOf(contentType);
  return codecs.get(subtype) ?? codecs.get(subtype.slice(subtype.lastIndexOf("+") + 1));
}

/** The charset of a content type, in lower case; undefined when it names none. */
export function charsetOf(contentType: string): string | undefined {
  return contentType.includes("=") ? /;\s*charset="?([^";\s]*)/i.exec(contentType)?.[1]?.toLowerCase() : undefined;
}

/** `json` in `application/json; charset=utf-8`; "" when it is not a content type. */
export function subtypeOf(contentType: string): string {
  if (contentType === "application/json") return "json";
  const end = contentType.indexOf(";");
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  const slash = type.indexOf("/");
  return slash === -1 ? "" : type.slice(slash + 1);
}

/** One range of an Accept header. */
interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

/**
 * The codec for a reply, by the caller's Accept (RFC 9110 section 12.5.1): the one it likes best; of those it likes alike the
 * one it names first, and the first where it does not care. For each codec the most specific range counts:
 * `application/json;q=0, *\/*` is anything but JSON. A caller that takes none of them gets the first as well, as in Kratos: an
 * answer it can look at beats a 406.
 */
export function negotiate<T extends { readonly contentType: string }>(
  codecs: ReadonlyMap<string, T>,
  accept: string | undefined,
): T {
  const first = codecs.values().next().value!;
  if (accept === undefined || accept === "*/*" || accept === first.contentType) return first;
  const ranges = accept.split(",").map(parseRange);
  let best = first;
  let bestQuality = 0;
  let bestPlace = 0;
  for (const [subtype, codec] of codecs) {
    const place = findRange(ranges, codec.contentType, subtype);
    const quality = ranges[place]?.quality ?? 0;
    if (quality < bestQuality || quality === 0 || (quality === bestQuality && place >= bestPlace)) continue;
    best = codec;
    bestQuality = quality;
    bestPlace = place;
  }
  return best;
}

function parseRange(text: string): MediaRange {
  const end = text.indexOf(";");
  const [type = "", subtype = ""] = (end === -1 ? text : text.slice(0, end)).trim().toLowerCase().split("/");
  const quality = end === -1 ? 1 : Number(/;\s*q=([^;\s]*)/i.exec(text)?.[1] ?? 1);
  return { type, subtype, quality: quality > 0 && quality <= 1 ? quality : 0 };
}

/** Where the most specific range is that fits a content type; -1 when none does. */
function findRange(ranges: readonly MediaRange[], contentType: string, subtype: string): number {
  let found = -1;
  let foundRank = 0;
  for (const [index, range] of ranges.entries()) {
    const isType = contentType.startsWith(`${range.type}/`);
    const rank =
      isType && range.subtype === subtype ? 3 : range.subtype !== "*" ? 0 : isType ? 2 : range.type === "*" ? 1 : 0;
    if (rank <= foundRank) continue;
    found = index;
    foundRank = rank;
  }
  return found;
}
