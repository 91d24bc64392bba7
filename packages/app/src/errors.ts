import { type OptionError, tell } from "@clew/options";

/** What a developer did wrong with an app. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function appUsed(name: string): Error {
  return usageError("CLEW_APP_USED", `${nameApp(name)} has run already; an App runs once: make a new one`);
}

export const optionError: OptionError = (message) => usageError("CLEW_APP_OPTION", message);

export function mainInvalid(given: unknown): Error {
  return optionError(`runMain() is given ${tell(given)}; it takes a function, as in \`runMain(() => app.run())\``);
}

export function nameMissing(): Error {
  return optionError("an app with a registrar needs a name: callers find it by that");
}

export function advertiseInvalid(given: string, reason: string): Error {
  return optionError(`option advertise is ${given}: ${reason}`);
}

export function resourcesClosed(): Error {
  return usageError(
    "CLEW_APP_RESOURCES",
    "these resources are closed already; what is opened now has no end: open it earlier",
  );
}

export function workersNeedFile(): Error {
  return usageError(
    "CLEW_APP_WORKERS",
    "workers run the program's file again, and this program has none: start it as `node main.js`, not by --eval",
  );
}

export function workersTwice(): Error {
  return usageError(
    "CLEW_APP_WORKERS",
    "another app with workers runs in this process: a program has one; give its servers to that app",
  );
}

/** A worker failed in a way that can be expected; `reason` is one line. */
export function workerFailed(worker: number, reason: string): Error {
  return Object.assign(new Error(`worker ${worker}: ${reason}`), { code: "CLEW_APP_WORKER" });
}

/** A worker failed by a defect; `stack` is what it tells of it. */
export function workerDefect(worker: number, stack: string): Error {
  const error = new Error(`worker ${worker}: ${stack.split("\n", 1)[0]}`);
  error.stack = `worker ${worker}: ${stack}`;
  return error;
}

export function crashLoop(worker: number, deaths: number, reason: string): Error {
  return Object.assign(
    new Error(`worker ${worker} died ${deaths} times in a row soon after its start, at last so: ${reason}`),
    { code: "CLEW_APP_CRASH_LOOP" },
  );
}

/** An operation of the app took longer than its option allows. */
export function timedOut(what: string, option: string, timeoutMs: number): Error {
  return Object.assign(new Error(`${what} took longer than ${option} (${timeoutMs} ms)`), { code: "CLEW_APP_TIMEOUT" });
}

/** One failure as it is, several as one error that lists them; `whose` says of what they are. */
export function joinFailures(whose: string, failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  return new AggregateError(failures, `${whose}: ${failures.length} failures: ${failures.map(messageOf).join("; ")}`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An app in an error: `app "orders"`. */
export function nameApp(name: string): string {
  return `app ${JSON.stringify(name)}`;
}
