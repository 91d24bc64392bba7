import type { OptionError } from "@clew/options";

/** What a developer did wrong in a test. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export const optionError: OptionError = (message) => usageError("CLEW_TESTING_OPTION", message);

export function clockInstalled(): Error {
  return usageError(
    "CLEW_TESTING_CLOCK",
    "another FakeClock is installed: dispose of it first, in the test that made it",
  );
}

export function clockDisposed(): Error {
  return usageError("CLEW_TESTING_CLOCK", "this FakeClock was disposed of, and time is real again");
}

export function durationInvalid(given: unknown): Error {
  return usageError(
    "CLEW_TESTING_DURATION",
    `time cannot pass by ${String(given)}; a number of milliseconds from 0 would work`,
  );
}

export function neverSettles(): Error {
  return usageError(
    "CLEW_TESTING_STUCK",
    "this does not wait for the clock: no timer is left, and it is still pending",
  );
}
