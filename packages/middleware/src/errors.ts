import type { OptionError } from "@clew/options";

/** What a developer did wrong, found when a middleware is made or put around a handler. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function optionInvalid(option: string, given: unknown, works: string): Error {
  return usageError(
    "CLEW_MIDDLEWARE_OPTION",
    `option ${option} is ${typeof given === "object" && given !== null ? "an object" : String(given)}; it must be ${works}`,
  );
}

export const optionError: OptionError = (message) => usageError("CLEW_MIDDLEWARE_OPTION", message);

export function selectorInvalid(condition: string, given: unknown, works: string): Error {
  const text = typeof given === "object" && given !== null ? "an object" : String(given);
  return usageError("CLEW_MIDDLEWARE_SELECTOR", `.${condition}() of a selector is given ${text}; it takes ${works}`);
}

export function selectorEmpty(): Error {
  return usageError(
    "CLEW_MIDDLEWARE_SELECTOR",
    "a selector without a condition selects nothing; add .prefix(), .regex(), .path() or .match()",
  );
}

export function rulesInvalid(typeName: string, file: string, cause: Error): Error {
  const error = usageError(
    "CLEW_MIDDLEWARE_RULES",
    `message ${typeName} (${file}): its validation rules do not work: ${cause.message}`,
  );
  return Object.assign(error, { cause });
}
