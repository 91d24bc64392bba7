import type { OptionError } from "@clew/options";

/** A mistake of a developer. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export const optionError: OptionError = (message) => usageError("CLEW_COLLECTOR_OPTION", message);

export function notStarted(): Error {
  return usageError(
    "CLEW_COLLECTOR_NOT_STARTED",
    "the collector has no endpoint before it is started: await start() first",
  );
}

export function alreadyStarted(): Error {
  return usageError(
    "CLEW_COLLECTOR_STARTED",
    "the collector was started before and cannot be started again; create a new one",
  );
}
