import { type OptionError, tell } from "@clew/options";

/**
 * A mistake of a developer, found when a middleware is created or put around a handler. `code` is stable; the message says what would
 * work.
 */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export const optionError: OptionError = (message) => usageError("CLEW_MIDDLEWARE_OPTION", message);

/** For values that the table of option checks does not cover. */
export function optionInvalid(option: string, given: unknown, works: string): Error {
  return optionError(`option ${option} is ${tell(given)}; it must be ${works}`);
}

export function selectorInvalid(condition: string, given: unknown, works: string): Error {
  return usageError(
    "CLEW_MIDDLEWARE_SELECTOR",
    `.${condition}() of a selector was called with ${tell(given)}; it needs ${works}`,
  );
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
