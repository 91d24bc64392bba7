import { readFileSync } from "node:fs";

/** How much more a process may hold in the second half of a run than in the first: what is beyond this is growth. */
export const growthLimit = 1.15;

/** Of the halves of a run the most of the second over the most of the first; the first tenth is for warming up. */
export function growth(values: readonly number[]): number {
  const half = values.length >> 1;
  return Math.max(...values.slice(half)) / Math.max(...values.slice(Math.floor(values.length / 10), half));
}

/** What another process holds, in MiB: now (VmRSS of proc(5)), or the most it ever held (VmHWM). */
export function residentMiB(pid: number, what: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

/**
 * For a Node whose memory is looked at: it collects when it is told to, and its young generation has one size from the start to the end. Left
 * alone, V8 doubles it once enough has survived in it, which may take ten minutes and looks like a leak.
 */
export const memoryFlags: readonly string[] = ["--expose-gc", "--min-semi-space-size=32", "--max-semi-space-size=32"];

/** What is alive in this process, in MiB: its heap after a collection, and buffers. Needs {@link memoryFlags}. */
export function liveMiB(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1024 / 1024;
}
