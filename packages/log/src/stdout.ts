import { pino } from "pino";
import type { Destination } from "./line.ts";

/** How much may wait while nobody reads standard output, in bytes; what comes on top is dropped. */
const maxWaiting = 16 * 1024 * 1024;

let stdout: Destination | undefined;

/**
 * Standard output, one for all loggers so that lines never mix. Writing is asynchronous and never throws; what still waits
 * is written when the process exits.
 */
export function standardOutput(): Destination {
  if (stdout === undefined) {
    const stream = pino.destination({ dest: 1, sync: false, maxLength: maxWaiting });
    // A full disk or a closed pipe must not end the service.
    stream.on("error", ignore);
    stdout = stream;
  }
  return stdout;
}

function ignore(): void {}
