import { setTimeout as wait } from "node:timers/promises";

/** Waits so many milliseconds, or until the signal aborts, whichever comes first. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** By the system's clock, without keeping the process alive. */
export const systemSleep: Sleep = async (ms, signal) => {
  await wait(ms, undefined, { signal, ref: false }).catch(() => {});
};
