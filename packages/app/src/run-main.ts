import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { mainInvalid, messageOf } from "./errors.ts";

/**
 * Runs the main function of a program. When it fails, the failure is written to standard error and the program ends with exit
 * code 1. An expected failure (any error with a code of Clew or of the system: a port in use, a wrong configuration) is
 * written as one line that names it and says what would work. Any other failure is a defect and is written with its stack.
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
    // Anything opened before the failure must not keep the process alive.
    process.exit(1);
  }
}

const told: WeakSet<object> = new WeakSet();

/** Marks a failure that another process reports: the primary reports the failures of its workers. */
export function markTold(error: unknown): void {
  if (typeof error === "object" && error !== null) told.add(error);
}

function isTold(error: unknown): boolean {
  return typeof error === "object" && error !== null && told.has(error);
}

/** Describes a failure for another process: in one line if it is an expected one, otherwise with its stack. */
export function explainFailure(error: unknown): { readonly isExpected: boolean; readonly text: string } {
  const line = explain(error);
  return { isExpected: line !== undefined, text: line ?? inspect(error) };
}

/** The text that runMain writes for a failure. */
export function describeFailure(error: unknown): string {
  return explain(error) ?? inspect(error);
}

/** One line, or undefined when the failure is not an expected one. */
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

// The folder of Clew's packages: node_modules/@clew, or a checkout.
const packages = new URL("../..", import.meta.url).href;

/**
 * Where the program's own code passed a wrong option, as ` (src/main.ts:12:7)`, because several places may use an option of that name.
 * "" when the stack does not show it.
 */
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
  // The address of a unix socket is its path, without a port.
  const place = port === undefined || port < 0 ? `socket ${address}` : `port ${port} on ${address}`;
  if (syscall === "listen" || syscall === "bind") {
    switch (code) {
      case "EADDRINUSE":
        return `${place} is in use by another process, or by another server of this process: choose another address, or stop the other one`;
      case "EACCES":
        return `this user may not open ${place}: choose a port from 1024 up, or give the process the permission`;
      case "EADDRNOTAVAIL":
        return `${place}: this machine does not have that address: choose an address that it has, 127.0.0.1, or 0.0.0.0 for all`;
    }
  }
  if (code === "ENOENT" && path !== undefined) return `${path} does not exist: create it or give another path`;
  if (code === "EACCES" && path !== undefined)
    return `this user may not use ${path} (${syscall}): give the user the permission, or choose another path`;
  return messageOf(error);
}
