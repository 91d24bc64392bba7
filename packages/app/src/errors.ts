/** What a developer did wrong with an app. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function appUsed(name: string): Error {
  return usageError("CLEW_APP_USED", `app ${quote(name)} has run already; an App runs once: make a new one`);
}

export function nameMissing(): Error {
  return usageError("CLEW_APP_NAME", "an app with a registrar needs a name: callers find it by that");
}

export function timeInvalid(option: string, given: unknown, least: number, most: number): Error {
  return usageError(
    "CLEW_APP_TIME",
    `${option} is ${String(given)}; it must be a number of milliseconds from ${least} to ${most}`,
  );
}

/** An operation of the app took longer than its option allows. */
export function timedOut(what: string, option: string, timeoutMs: number): Error {
  return Object.assign(new Error(`${what} took longer than ${option} (${timeoutMs} ms)`), { code: "CLEW_APP_TIMEOUT" });
}

/** One failure as it is, several as one error that lists them. */
export function joinFailures(name: string, failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  return new AggregateError(
    failures,
    `app ${quote(name)}: ${failures.length} failures: ${failures.map(messageOf).join("; ")}`,
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function quote(name: string): string {
  return JSON.stringify(name);
}
