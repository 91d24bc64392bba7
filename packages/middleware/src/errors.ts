import { type OptionError, tell } from "@clew/options";

/** What a developer did wrong, found when a middleware is made or put around a handler. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export const optionError: OptionError = (message) => usageError("CLEW_MIDDLEWARE_OPTION", message);

/** For what a table of checks does not see. */
export function optionInvalid(option: string, given: unknown, works: string): Error {
  return optionError(`option ${option} is ${tell(given)}; it must be ${works}`);
}

export function selectorInvalid(condition: string, given: unknown, works: string): Error {
  return usageError(
    "CLEW_MIDDLEWARE_SELECTOR",
    `.${condition}() of a selector is given ${tell(given)}; it takes ${works}`,
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
