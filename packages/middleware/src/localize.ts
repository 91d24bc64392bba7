import { aText, checkOptions, checkValue, type OptionChecks, recordOf } from "@clew/options";
import { type Call, LocalizedMessageSchema, localized, type Middleware, type Reply, ServiceError } from "@clew/rpc";
import { optionError, optionInvalid } from "./errors.ts";

export interface LocalizeOptions {
  /**
   * The texts for people, by language (BCP 47: `de`, `de-CH`) and by the reason of the error. `{name}` in a text is replaced
   * by the error's metadata of that name: `{ de: { USER_NOT_FOUND: "Niemand heißt {user}." } }`.
   */
  messages: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /**
   * The language for callers that accept none of these. Default: none, such callers get only the error's own message.
   */
  fallback?: string;
}

const textsByLanguage = 'an object of texts by language and reason, such as { de: { USER_NOT_FOUND: "..." } }';
const aMessages = recordOf(textsByLanguage, recordOf(textsByLanguage, aText));
const optionChecks: OptionChecks<LocalizeOptions> = {
  messages: aMessages,
  fallback: aText,
};

/**
 * For servers: adds a google.rpc.LocalizedMessage to errors, in the language that the caller's `accept-language` prefers. An error
 * that already has one keeps it. An error whose reason has no text is not changed, nor is the error of a stream that has begun.
 *
 * @throws CLEW_MIDDLEWARE_OPTION, also when the fallback language has no messages
 */
export function localize(options: LocalizeOptions): Middleware {
  checkOptions("localize", options, optionChecks, optionError);
  const { messages, fallback } = options;
  checkValue("messages", messages, aMessages, optionError);
  const languages = new Map(Object.keys(messages).map((language) => [language.toLowerCase(), language]));
  if (fallback !== undefined && messages[fallback] === undefined) {
    throw optionInvalid("fallback", fallback, `one of ${Object.keys(messages).join(", ")}`);
  }
  const addMessage = (thrown: unknown, call: Call): unknown => {
    if (!(thrown instanceof ServiceError) || thrown.detail(LocalizedMessageSchema) !== undefined) return thrown;
    const ranges = readRanges(call.metadata.get("accept-language") ?? "");
    const language = pickLanguage(ranges, languages) ?? fallback;
    const texts = language === undefined ? undefined : messages[language];
    if (texts === undefined || !Object.hasOwn(texts, thrown.reason)) return thrown;
    return thrown.withDetails(localized(language!, fill(texts[thrown.reason]!, thrown.metadata)));
  };
  return (next) =>
    async (call): Promise<Reply> => {
      try {
        return await next(call);
      } catch (thrown) {
        throw addMessage(thrown, call);
      }
    };
}

// A longer text is not a language, and each of its parts would be looked up.
const longestRange = 100;

/** The language ranges of a header, the preferred ones first (RFC 9110 section 12.5.4). */
function readRanges(header: string): string[] {
  return header
    .split(",")
    .map((part) => {
      const [range = "", ...parameters] = part.split(";");
      const quality = parameters.map((one) => /^\s*q=([\d.]+)\s*$/i.exec(one)?.[1]).find((q) => q !== undefined);
      return { range: range.trim().toLowerCase(), quality: Number(quality ?? 1) };
    })
    .filter(({ range, quality }) => range !== "" && range.length <= longestRange && quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ range }) => range);
}

/**
 * The language of the first range that has one: its own, or that of a shorter form of the range (RFC 4647 section 3.4).
 */
function pickLanguage(ranges: readonly string[], languages: ReadonlyMap<string, string>): string | undefined {
  for (const wanted of ranges) {
    for (let range = wanted; range !== ""; range = range.slice(0, Math.max(range.lastIndexOf("-"), 0))) {
      const language = languages.get(range);
      if (language !== undefined) return language;
    }
  }
  return undefined;
}

function fill(text: string, metadata: Readonly<Record<string, string>>): string {
  return text.replace(/\{([^{}]+)\}/g, (whole, name: string) =>
    Object.hasOwn(metadata, name) ? metadata[name]! : whole,
  );
}
