import type { OptionError } from "@clew/options";

/** A mistake of a developer in setting up metrics. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function registeredTwice(): Error {
  return usageError(
    "CLEW_METRICS_REGISTERED",
    "a global meter provider is registered already; unregister that one first, or use this provider without register()",
  );
}

export function optionInvalid(name: string, given: unknown, expected: string): Error {
  return usageError(
    "CLEW_METRICS_OPTION",
    `${name} is ${JSON.stringify(given) ?? String(given)}; it must be ${expected}`,
  );
}

export const optionError: OptionError = (message) => usageError("CLEW_METRICS_OPTION", message);
