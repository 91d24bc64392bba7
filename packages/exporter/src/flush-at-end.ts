/** What holds telemetry that has to go out before the process ends. */
export interface Flushable {
  /** Sends what waits. Never rejects. */
  flush(): Promise<void>;
  /** Sends what waits, within a few seconds, and lets go of everything. Never rejects. */
  shutdown(): Promise<void>;
}

const all = new Set<Flushable>();
const counts = new Map<NodeJS.Signals, number>();

/**
 * Flushes when the process runs out of work and when it is told to end by one of the signals. What a signal does is as if nobody
 * listened here: the app's own listeners run at once, and decide; where there is none the process is ended by the same signal,
 * after a shutdown. A second signal does not wait for that. Returns what ends it.
 */
export function flushAtEnd(flushable: Flushable, signals: readonly NodeJS.Signals[]): () => void {
  const release = (): void => {
    if (!all.delete(flushable)) return;
    if (all.size === 0) process.off("beforeExit", onBeforeExit);
    for (const signal of signals) {
      const count = counts.get(signal)! - 1;
      counts.set(signal, count);
      if (count === 0) process.off(signal, onSignal);
    }
  };
  if (all.size === 0) process.on("beforeExit", onBeforeExit);
  all.add(flushable);
  for (const signal of signals) {
    const count = counts.get(signal) ?? 0;
    counts.set(signal, count + 1);
    if (count === 0) listen(signal);
  }
  return release;
}

function onBeforeExit(): void {
  void shutDownAll();
}

async function shutDownAll(): Promise<void> {
  await Promise.allSettled([...all].map((one) => one.shutdown()));
}

// First, to see who else listens: a listener for one time is gone once it has run.
function listen(signal: NodeJS.Signals): void {
  process.prependListener(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  // Whoever looks whether they are the last listener must not find this one.
  process.off(signal, onSignal);
  if (process.listenerCount(signal) === 0) {
    void shutDownAll().then(() => process.kill(process.pid, signal));
    return;
  }
  void Promise.allSettled([...all].map((one) => one.flush())).then(() => {
    if ((counts.get(signal) ?? 0) > 0 && !process.listeners(signal).includes(onSignal)) listen(signal);
  });
}
