/** An owner of telemetry that must be sent before the process ends. */
export interface Flushable {
  /** Sends waiting telemetry. Never rejects. */
  flush(): Promise<void>;
  /** Sends waiting telemetry, within a few seconds, and releases all resources. Never rejects. */
  shutdown(): Promise<void>;
}

const all = new Set<Flushable>();
const counts = new Map<NodeJS.Signals, number>();

/**
 * Flushes when the process runs out of work, and when one of the signals arrives. The effect of a signal stays the same as without
 * this listener: the app's own listeners run at once, and decide; if there are none, the same signal ends the process after a
 * shutdown. A second signal does not wait for the shutdown. Returns a function that removes the listeners.
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

// Prepended, to see the other listeners: a once() listener is removed before it runs.
function listen(signal: NodeJS.Signals): void {
  process.prependListener(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  // Another listener that checks whether it is the only one must not find this one.
  process.off(signal, onSignal);
  if (process.listenerCount(signal) === 0) {
    void shutDownAll().then(() => process.kill(process.pid, signal));
    return;
  }
  void Promise.allSettled([...all].map((one) => one.flush())).then(() => {
    if ((counts.get(signal) ?? 0) > 0 && !process.listeners(signal).includes(onSignal)) listen(signal);
  });
}
