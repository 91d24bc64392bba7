import { type OptionError, tell } from "@clew/options";

/** A mistake of a developer who uses an App. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function appUsed(name: string): Error {
  return usageError("CLEW_APP_USED", `${nameApp(name)} has run already, and an App runs only once: create a new App`);
}

export const optionError: OptionError = (message) => usageError("CLEW_APP_OPTION", message);

export function mainInvalid(given: unknown): Error {
  return optionError(
    `runMain() was called with ${tell(given)}; it needs a function, as in \`runMain(() => app.run())\``,
  );
}

export function nameMissing(): Error {
  return optionError("an app with a registrar needs the option name: callers find the app by its name");
}

export function advertiseInvalid(given: string, reason: string): Error {
  return optionError(`option advertise is ${given}: ${reason}`);
}

export function resourcesClosed(): Error {
  return usageError(
    "CLEW_APP_RESOURCES",
    "these resources are closed already, so nothing would close what is opened now: open it earlier",
  );
}

export function workersNeedFile(): Error {
  return usageError(
    "CLEW_APP_WORKERS",
    "each worker runs the program's file again, but this program has no file: start it as `node main.js`, not with --eval",
  );
}

export function workersTwice(): Error {
  return usageError(
    "CLEW_APP_WORKERS",
    "another app with workers runs in this process already; a program can have only one: give all servers to one app",
  );
}

/** A worker failed in an expected way; `reason` is one line. */
export function workerFailed(worker: number, reason: string): Error {
  return Object.assign(new Error(`worker ${worker}: ${reason}`), { code: "CLEW_APP_WORKER" });
}

/** A worker failed because of a defect; `stack` is the stack trace that it reported. */
export function workerDefect(worker: number, stack: string): Error {
  const error = new Error(`worker ${worker}: ${stack.split("\n", 1)[0]}`);
  error.stack = `worker ${worker}: ${stack}`;
  return error;
}

export function crashLoop(worker: number, deaths: number, reason: string): Error {
  return Object.assign(
    new Error(`worker ${worker} died ${deaths} times in a row soon after its start; the last reason: ${reason}`),
    { code: "CLEW_APP_CRASH_LOOP" },
  );
}

/** An operation of the app took longer than its option allows. */
export function timedOut(what: string, option: string, timeoutMs: number): Error {
  return Object.assign(new Error(`${what} took longer than ${option} (${timeoutMs} ms)`), { code: "CLEW_APP_TIMEOUT" });
}

/** Returns one failure unchanged, and several as one error that lists them. `whose` names the app for the message. */
export function joinFailures(whose: string, failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  return new AggregateError(failures, `${whose}: ${failures.length} failures: ${failures.map(messageOf).join("; ")}`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The name of an app in an error message: `app "orders"`. */
export function nameApp(name: string): string {
  return `app ${JSON.stringify(name)}`;
}
