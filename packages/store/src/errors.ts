import type { OptionError } from "@clew/options";

/** A mistake of a developer, or a failure of the machine. `code` is stable; the message says what would work. */
function storeError(code: string, message: string, cause?: unknown): Error & { readonly code: string } {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code });
}

export function fileNotOpened(file: string, cause: Error): Error {
  return storeError(
    "CLEW_STORE_OPEN",
    `${file} cannot be opened as a trace store: ${cause.message}; give the path of a file that this process can write`,
    cause,
  );
}

export function fileForeign(file: string, what: string): Error {
  return storeError(
    "CLEW_STORE_FOREIGN",
    `${file} is not a trace store of Clew: it is ${what}; give the path of another file, or of a new one`,
  );
}

export function fileVersion(file: string, found: number, known: number): Error {
  return storeError(
    "CLEW_STORE_VERSION",
    `${file} has layout ${found}, but this version of Clew supports layouts only up to ${known}; use a newer Clew or another file`,
  );
}

export const optionError: OptionError = (message) => storeError("CLEW_STORE_OPTION", message);

export function cursorInvalid(given: string): Error {
  return storeError(
    "CLEW_STORE_CURSOR",
    `${JSON.stringify(given)} is not the end of a page; pass the value "next" of the previous page unchanged`,
  );
}

export function storeClosed(): Error {
  return storeError("CLEW_STORE_CLOSED", "the trace store is closed");
}

export function writeFailed(file: string, cause: Error): Error {
  return storeError("CLEW_STORE_WRITE", `writing to ${file} failed: ${cause.message}`, cause);
}

export function readFailed(file: string, cause: Error): Error {
  return storeError("CLEW_STORE_READ", `reading from ${file} failed: ${cause.message}`, cause);
}
