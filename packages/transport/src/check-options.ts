import type { Codec } from "@clew/rpc";
import { optionInvalid, optionUnknown } from "./errors.ts";

/**
 * Refuses an option that there is not, which would else do nothing and say nothing.
 *
 * @throws CLEW_TRANSPORT_OPTION
 */
export function checkOptionNames(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) if (!known.includes(name)) throw optionUnknown(name, known);
}

/** @throws CLEW_TRANSPORT_OPTION */
export function checkCodecs(name: string, codecs: readonly Codec[]): void {
  if (!Array.isArray(codecs)) throw optionInvalid(name, codecs, "a list of codecs");
  for (const [index, codec] of codecs.entries()) checkCodec(`${name}[${index}]`, codec);
}

/** @throws CLEW_TRANSPORT_OPTION for what is no codec, such as the name of one */
export function checkCodec(name: string, codec: Codec): void {
  if (typeof codec?.compile === "function" && typeof codec.contentType === "string") return;
  const given = typeof codec === "string" ? `"${codec as string}"` : codec;
  throw optionInvalid(name, given, 'a codec, as `import { xmlCodec } from "clew/codec/xml"` has one');
}
