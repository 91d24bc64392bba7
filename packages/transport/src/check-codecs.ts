import { checkValue, kind, listOf } from "@clew/options";
import type { Codec } from "@clew/rpc";
import { optionError } from "./errors.ts";

/** A codec itself is needed, not its name. */
const aCodec = kind(
  'a codec, as `import { xmlCodec } from "clew/codec/xml"` has one',
  (given) =>
    typeof (given as Partial<Codec> | null)?.compile === "function" && typeof (given as Codec).contentType === "string",
);
const codecList = listOf("a list of codecs", aCodec);

/** @throws CLEW_TRANSPORT_OPTION */
export function checkCodecs(name: string, codecs: readonly Codec[]): void {
  checkValue(name, codecs, codecList, optionError);
}

/** @throws CLEW_TRANSPORT_OPTION */
export function checkCodec(name: string, codec: Codec): void {
  checkValue(name, codec, aCodec, optionError);
}
