import { setTimeout as sleep } from "node:timers/promises";
import { renderWaterfall } from "clew/trace";

/** What the collector's `/api/ui/traces/{id}` answers: one column for each property, one row for each span. */
interface Trace {
  readonly startMs: number;
  readonly services: readonly string[];
  readonly operations: readonly string[];
  readonly spans: Readonly<
    Record<"parent" | "service" | "operation" | "startUs" | "durationUs" | "error", readonly number[]>
  > & { readonly spanId: readonly string[] };
}

/** Sends one request, waits until its trace is whole, and prints it as a waterfall. */
export async function printTrace(url: string, ui: string, signal: AbortSignal): Promise<void> {
  try {
    const sentMs = Date.now();
    await fetch(url, { signal });
    const traceId = await findTrace(ui, sentMs, signal);
    const trace = (await (await fetch(`${ui}/api/ui/traces/${traceId}`, { signal })).json()) as Trace;
    console.log(`\n  GET ${new URL(url).pathname}   ${ui}/trace/${traceId}\n`);
    console.log(renderWaterfall(toWaterfall(trace), { width: Math.min(process.stdout.columns ?? 110, 120) }));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** The id of the trace that began after `sinceMs`, once all its spans have arrived. */
async function findTrace(ui: string, sinceMs: number, signal: AbortSignal): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const reply = await fetch(`${ui}/api/ui/summaries?service=user&limit=1`, { signal });
    const { summaries } = (await reply.json()) as {
      summaries: { traceId: string; startMs: number; spanCount: number }[];
    };
    const [newest] = summaries;
    // Three services, each with its server span, the two calls between them, and a query.
    if (newest !== undefined && newest.startMs >= sinceMs - 1 && newest.spanCount >= 6) return newest.traceId;
    await sleep(100, undefined, { signal });
  }
  throw new Error(`the trace did not arrive at ${ui}`);
}

function toWaterfall({ startMs, services, operations, spans }: Trace): Parameters<typeof renderWaterfall>[0] {
  return spans.spanId.map((spanId, row) => ({
    spanId,
    parentSpanId: spans.spanId[spans.parent[row]!] ?? "",
    service: services[spans.service[row]!]!,
    name: operations[spans.operation[row]!]!,
    startMs: startMs + spans.startUs[row]! / 1000,
    durationMs: spans.durationUs[row]! / 1000,
    error: spans.error[row] === 1,
  }));
}
