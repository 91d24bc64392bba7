import type { Logger } from "@clew/log";

/** One way for telemetry to leave the process. */
export interface Outlet {
  /** What leaves by it: "span". */
  readonly unit: string;
  /** Where to, for the log. */
  readonly endpoint: string;
  /** What did not arrive, so far. */
  stats(): { readonly dropped: number; readonly failed: number };
  /** Why the last attempt failed. */
  lastError(): unknown;
}

/**
 * Call it before a shutdown, and what it returns afterwards: that tells what the shutdown could not bring away, one line for each outlet.
 * Nobody would hear of it else, for the process is about to end. Without a logger it is a process warning.
 */
export function watchLosses(outlets: readonly Outlet[], logger: Logger | undefined): () => Promise<void> {
  const before = outlets.map(lostOf);
  return async () => {
    for (const [index, outlet] of outlets.entries()) {
      const lost = lostOf(outlet) - before[index]!;
      if (lost === 0) continue;
      const { unit, endpoint } = outlet;
      const lastError = outlet.lastError();
      const reason = typeof lastError === "string" ? lastError : "it did not answer in time";
      const items = lost === 1 ? `1 ${unit} is` : `${lost} ${unit}s are`;
      const message = `${items} lost: ${endpoint} did not take what was left when tracing ended`;
      if (logger !== undefined) {
        logger.warn(message, { endpoint, [`${unit}s`]: lost, reason });
        continue;
      }
      process.emitWarning(`${message}: ${reason}`, { type: "TracingWarning", code: "CLEW_EXPORTER_LOST" });
      // Warnings are written later in this turn, and whoever waits for the shutdown may end the process at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
}

function lostOf(outlet: Outlet): number {
  const { dropped, failed } = outlet.stats();
  return dropped + failed;
}
