import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { mainInvalid, messageOf } from "./errors.ts";

/**
 * Runs the main function of a program. When it fails, the program ends with exit code 1, and what failed is told on standard
 * error: in one line that names it and what would work where that is known (a port in use, a configuration that is wrong: any
 * error with a code of ours or of the system), with its stack otherwise, for then it is a defect.
 *
 *     await runMain(async () => {
 *       const config = await loadConfig({ sources: [file("config.yaml")] });
 *       await new App({ servers: [new HttpServer({ address: config.snapshot.address })] }).run();
 *     });
 */
export async function runMain(main: () => Promise<void> | void): Promise<void> {
  try {
    if (typeof main !== "function") throw mainInvalid(main);
    await main();
  } catch (error) {
    if (!isTold(error)) process.stderr.write(`${describeFailure(error)}\n`);
    // What was opened before the failure must not keep the process.
    process.exit(1);
  }
}

const told: WeakSet<object> = new WeakSet();

/** Somebody else tells of this failure: the primary, of that of its worker. */
export function markTold(error: unknown): void {
  if (typeof error === "object" && error !== null) told.add(error);
}

function isTold(error: unknown): boolean {
  return typeof error === "object" && error !== null && told.has(error);
}

/** A failure for another process: in one line if it can be expected, with its stack otherwise. */
export function explainFailure(error: unknown): { readonly isExpected: boolean; readonly text: string } {
  const line = explain(error);
  return { isExpected: line !== undefined, text: line ?? inspect(error) };
}

/** What runMain tells of a failure. */
export function describeFailure(error: unknown): string {
  return explain(error) ?? inspect(error);
}

/** One line, or undefined when the failure is none that can be expected. */
function explain(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = error instanceof AggregateError ? error.errors.map(explain) : [];
  if (inner.length > 0) return inner.every((line) => line !== undefined) ? [...new Set(inner)].join("; ") : undefined;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== "string") return undefined;
  const line = code.startsWith("CLEW_")
    ? `${messageOf(error)}${code.endsWith("_OPTION") ? placeOf(error) : ""}`
    : syscall === undefined
      ? undefined
      : explainSystemError(error);
  return line?.replace(/\s*\n\s*/g, " ");
}

// Where the packages of Clew are: in node_modules/@clew, or in a checkout.
const packages = new URL("../..", import.meta.url).href;

/** Where the program's own code gave a wrong option, ` (src/main.ts:12:7)`, for its name alone may fit several; "" when the stack does not show it. */
function placeOf({ stack = "" }: Error): string {
  for (const [, place] of stack.matchAll(/^ +at .*?\(?(file:\/\/.+:\d+:\d+)\)?$/gm)) {
    if (place!.startsWith(packages) || place!.includes("/node_modules/")) continue;
    const [, file, position] = /^(.+?)(:\d+:\d+)$/.exec(place!)!;
    return ` (${relative(process.cwd(), fileURLToPath(file!))}${position})`;
  }
  return "";
}

interface SystemError extends NodeJS.ErrnoException {
  readonly address?: string;
  readonly port?: number;
}

function explainSystemError(error: SystemError): string {
  const { code, syscall, address, port, path } = error;
  // A unix socket's address is its path, without a port.
  const place = port === undefined || port < 0 ? `socket ${address}` : `port ${port} on ${address}`;
  if (syscall === "listen" || syscall === "bind") {
    switch (code) {
      case "EADDRINUSE":
        return `${place} is in use, by another process or by another server of this one: choose another address, or stop that one`;
      case "EACCES":
        return `${place} may not be opened by this user: choose a port from 1024 up, or give the process the right to it`;
      case "EADDRNOTAVAIL":
        return `${place}: this machine has no such address: choose one of its own, 127.0.0.1, or 0.0.0.0 for all`;
    }
  }
  if (code === "ENOENT" && path !== undefined) return `${path} does not exist: create it or give another path`;
  if (code === "EACCES" && path !== undefined)
    return `${path} may not be used by this user (${syscall}): give it the right to, or choose another path`;
  return messageOf(error);
}
