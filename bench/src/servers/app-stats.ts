import type { BatchStats, Tracing } from "clew/trace";
import { liveMiB } from "../memory.ts";

/** What an app under test says about itself. */
export interface AppStats {
  /** What is alive in it, after a collection. */
  readonly liveMiB: number;
  /** What nobody caught, and what Node warned of. */
  readonly unhandled: readonly string[];
  /** What became of its spans; undefined for an app that is not traced. */
  readonly spans: BatchStats | undefined;
}

/**
 * Lets a program answer whoever started it: asked "stats" with what it has become, asked "flush" once the spans that wait are sent, asked
 * "shutdown" once it is not traced any more. Needs the flags of memory.ts.
 */
export function tellAppStats(traces: Tracing | undefined): void {
  const unhandled: string[] = [];
  for (const event of ["unhandledRejection", "uncaughtException", "warning"]) {
    process.on(event, (reason: unknown) => unhandled.push(`${event}: ${String(reason)}`));
  }
  process.on("message", async (question: "stats" | "flush" | "shutdown") => {
    if (question !== "stats") await traces?.[question]();
    process.send!({ liveMiB: liveMiB(), unhandled, spans: traces?.stats() } satisfies AppStats);
  });
  process.on("disconnect", () => process.exit());
}

/** Spans that were started and of which nobody knows what became: 0, once all have ended. */
export function countMissing({ started, exported, rejected, dropped, failed, waiting }: BatchStats): number {
  return started - (exported + rejected + dropped + failed + waiting);
}
