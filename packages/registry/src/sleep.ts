import { setTimeout as wait } from "node:timers/promises";

/** Waits this many milliseconds, or until the signal aborts, whichever comes first. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** Uses the system's clock; does not keep the process alive. */
export const systemSleep: Sleep = async (ms, signal) => {
  await wait(ms, undefined, { signal, ref: false }).catch(() => {});
};
