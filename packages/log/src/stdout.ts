import type { Destination } from "./line.ts";
import { loadPino } from "./load-pino.ts";

/** How many bytes may wait while nobody reads standard output; further lines are dropped. */
const maxWaiting = 16 * 1024 * 1024;

let stdout: (Destination & { flushSync(): void }) | undefined;

/**
 * Standard output, shared by all loggers so that lines never mix. Writing is asynchronous and never throws. Lines that
 * still wait are written when the process exits.
 */
export function standardOutput(): Destination {
  if (stdout === undefined) {
    const stream = loadPino().pino.destination({ dest: 1, sync: false, maxLength: maxWaiting });
    // A full disk or a closed pipe must not end the service.
    stream.on("error", ignore);
    stdout = stream;
  }
  return stdout;
}

/**
 * Writes the lines that still wait for standard output, synchronously. A process that exits by itself or by `process.exit()` does
 * that anyway; call this before ending the process in another way.
 */
export function flushLogs(): void {
  try {
    stdout?.flushSync();
  } catch {
    // Nobody reads standard output any more.
  }
}

function ignore(): void {}
