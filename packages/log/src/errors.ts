import type { OptionError } from "@clew/options";

/** A mistake of a developer, found when a logger is made. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function levelUnknown(origin: string, given: unknown, known: readonly string[]): Error {
  return usageError("CLEW_LOG_LEVEL", `${origin} is ${JSON.stringify(given)}; it must be one of ${known.join(", ")}`);
}

export const optionError: OptionError = (message) => usageError("CLEW_LOG_OPTION", message);
