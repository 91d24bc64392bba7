import type { Logger } from "@clew/log";

/** One route by which telemetry leaves the process. */
export interface Outlet {
  /** The singular name of its items: "span". */
  readonly unit: string;
  /** The destination, for the log. */
  readonly endpoint: string;
  /** Counts of the items that did not arrive so far. */
  stats(): { readonly dropped: number; readonly failed: number };
  /** Why the last attempt failed. */
  lastError(): unknown;
}

/**
 * Reports telemetry that a shutdown lost. Call it before a shutdown, and call the returned function afterwards: it logs one line for
 * each outlet with losses, because the process is about to end. Without a logger the line is a process warning.
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
      // Warnings are written later in this turn, and the app may end the process right after the shutdown.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
}

function lostOf(outlet: Outlet): number {
  const { dropped, failed } = outlet.stats();
  return dropped + failed;
}
