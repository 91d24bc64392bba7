import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { type Codec, jsonCodec, type MessageCodec, protoCodec } from "@clew/rpc";
import { formCodec } from "./binding.ts";

/** A codec made ready for one body, and the content type it goes by there. */
export interface BodyCodec extends MessageCodec<Message> {
  readonly contentType: string;
}

/** The codecs for one body, by the subtype of a content type; the first is what is used when nobody asks for another. */
export type BodyCodecs = ReadonlyMap<string, BodyCodec>;

export const defaultCodecs: readonly Codec[] = [jsonCodec, protoCodec, formCodec];

/** Other subtypes that mean the same bytes. Kratos 3 keeps `json` for Go structs and says `protojson` where it means this mapping. */
const aliases: Readonly<Record<string, readonly string[] | undefined>> = {
  json: ["protojson"],
  proto: ["protobuf", "x-protobuf"],
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
  const empty = field.fieldKind === "list" ? [] : field.fieldKind === "map" ? {} : null;
  const encodeText = (message: Message): string => {
    const json = JSON.parse(toText(outer.encode(message))) as Record<string, unknown>;
    return JSON.stringify(json[field.jsonName] ?? empty);
  };
  return {
    encode: (message) => Buffer.from(encodeText(message)),
    encodeText,
    decode: (bytes) => {
      const text = toText(bytes);
      if (text === "") return create(desc);
      return outer.decode(Buffer.from(JSON.stringify({ [field.jsonName]: JSON.parse(text) as unknown })));
    },
  };
}

function readField(message: Message, field: DescField): Message | undefined {
  const properties = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) return properties[field.localName] as Message | undefined;
  const oneof = properties[field.oneof.localName] as { case?: string; value?: Message };
  return oneof.case === field.localName ? oneof.value : undefined;
}

function writeField(message: Message, field: DescField, value: Message): Message {
  const properties = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) properties[field.localName] = value;
  else properties[field.oneof.localName] = { case: field.localName, value };
  return message;
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** `json` in `application/json; charset=utf-8`; "" when it is not a content type. */
export function subtypeOf(contentType: string): string {
  if (contentType === "application/json") return "json";
  const end = contentType.indexOf(";");
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  const slash = type.indexOf("/");
  return slash === -1 ? "" : type.slice(slash + 1);
}

/**
 * The codec for a reply, by the caller's Accept (RFC 9110 section 12.5.1): the one it likes best, and the first where it does
 * not care. A caller that takes none of them gets the first as well, as in Kratos: an answer it can look at beats a 406.
 */
export function negotiate(codecs: BodyCodecs, accept: string | undefined): BodyCodec {
  const first = codecs.values().next().value!;
  if (accept === undefined || accept === "*/*" || accept === first.contentType) return first;
  let best: BodyCodec | undefined;
  let bestQuality = 0;
  for (const range of accept.split(",")) {
    const quality = Number(/;\s*q=([^;\s]*)/i.exec(range)?.[1] ?? 1);
    if (!(quality > bestQuality)) continue;
    const subtype = subtypeOf(range);
    const codec = subtype === "*" ? first : codecs.get(subtype);
    if (codec === undefined) continue;
    best = codec;
    bestQuality = quality;
  }
  return best ?? first;
}
