import type { Destination } from "./line.ts";
import { loadPino } from "./load-pino.ts";

/** How much may wait while nobody reads standard output, in bytes; what comes on top is dropped. */
const maxWaiting = 16 * 1024 * 1024;

let stdout: (Destination & { flushSync(): void }) | undefined;

/**
 * Standard output, one for all loggers so that lines never mix. Writing is asynchronous and never throws; what still waits
 * is written when the process exits.
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
 * Writes what still waits for standard output, at once. A process that exits, by itself or by `process.exit()`, does that anyway;
 * this is for whoever ends it in another way.
 */
export function flushLogs(): void {
  try {
    stdout?.flushSync();
  } catch {
    // Nobody reads it any more.
  }
}

function ignore(): void {}
