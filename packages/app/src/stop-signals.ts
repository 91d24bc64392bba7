import type { Logger } from "@clew/log";

/**
 * The same signal again within this time counts once: on Ctrl-C the terminal signals the process, and npm forwards its
 * own signal.
 */
const repeatMs = 50;

export interface StopSignalOptions {
  readonly signals: readonly NodeJS.Signals[];
  readonly logger: Logger;
  /** Called at the first signal. */
  readonly onStop: () => void;
  /** Called at the second signal, before the process ends with exit code 1. */
  readonly onExit: () => void;
}

/** Listens until the returned function is called. */
export function listenToSignals({ signals, logger, onStop, onExit }: StopSignalOptions): () => void {
  let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (first === undefined) {
      first = { signal, atMs: performance.now() };
      logger.info("stopping", { signal });
      onStop();
    } else if (signal !== first.signal || performance.now() - first.atMs > repeatMs) {
      logger.warn("second signal: exiting at once", { signal });
      onExit();
      process.exit(1);
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}
