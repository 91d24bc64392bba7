import type { Logger } from "@clew/log";

/** Repeats of a signal within this time are one: on Ctrl-C a terminal signals the process, and npm passes its own on. */
const repeatMs = 50;

export interface StopSignalOptions {
  readonly signals: readonly NodeJS.Signals[];
  readonly logger: Logger;
  /** The first signal. */
  readonly onStop: () => void;
  /** The second, before the process ends with exit code 1. */
  readonly onExit: () => void;
}

/** Listens until the function that it returns is called. */
export function listenToSignals({ signals, logger, onStop, onExit }: StopSignalOptions): () => void {
  let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (first === undefined) {
      first = { signal, atMs: performance.now() };
      logger.info("stopping", { signal });
      onStop();
    } else if (signal !== first.signal || performance.now() - first.atMs > repeatMs) {
      logger.warn("a second signal: exiting at once", { signal });
      onExit();
      process.exit(1);
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}
