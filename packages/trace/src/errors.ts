import type { OptionError } from "@clew/options";

/** A developer's mistake in setting up tracing. `code` is stable; the message says which values are valid. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function registeredTwice(what: string): Error {
  return usageError(
    "CLEW_TRACE_REGISTERED",
    `a global ${what} is registered already; unregister that one first, or use this provider without register()`,
  );
}

export function ratioInvalid(given: unknown): Error {
  return usageError("CLEW_TRACE_RATIO", `the sampling ratio is ${String(given)}; it must be a number from 0 to 1`);
}

export function capacityInvalid(given: unknown): Error {
  return usageError("CLEW_TRACE_CAPACITY", `the capacity is ${String(given)}; it must be a whole number above 0`);
}

export function rateInvalid(given: unknown): Error {
  return usageError("CLEW_TRACE_RATE", `the sampling rate is ${String(given)}; it must be a number of traces, above 0`);
}

export function rulesInvalid(given: string, wanted: string): Error {
  return usageError("CLEW_TRACE_RULES", `the sampling rules hold ${JSON.stringify(given)}; ${wanted}`);
}

export const optionError: OptionError = (message) => usageError("CLEW_TRACE_OPTION", message);
