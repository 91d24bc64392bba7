import type { DatabaseSync } from "node:sqlite";
import type { Dependency, ServiceMap, ServiceMapLimits, ServiceStats, TimeRange } from "../contract.ts";
import { BackingCalls } from "./backing-calls.ts";
import { Calls, type CallsByPair, callsOfPair, memberOf } from "./calls.ts";
import type { SpanNotes } from "./span-target.ts";

const defaultMaxSpans = 100_000;
const mostSpans = 1_000_000;
const defaultMaxServices = 100;
const mostServices = 1000;
const mostBackings = 1000;

// SpanKind of the side that is called.
const serverKind = 2;
const consumerKind = 5;
/** SpanKind of the side that calls, a client's and a producer's: its error is the call's. That of other spans may be of anything. */
export const callersEndKinds: readonly number[] = [3, 4];

/** Answers {@link TraceStore.serviceMap}: one look at each span and its parent, the newest traces first. */
export function readServiceMap(
  database: DatabaseSync,
  notes: SpanNotes,
  range: TimeRange,
  limits: ServiceMapLimits,
): ServiceMap {
  const maxSpans = limitOf(limits.maxSpans, defaultMaxSpans, mostSpans);
  const maxBackings = Math.min(Math.max(0, Math.trunc(limits.maxBackings ?? 0)), mostBackings);
  const backings = maxBackings === 0 ? undefined : new BackingCalls(database, notes);
  const operations = new Map(
    database
      .prepare("SELECT key, service, kind FROM operation")
      .all()
      .map((row) => [row.key, { service: String(row.service), kind: Number(row.kind) }]),
  );
  const services = new Map<string, Calls>();
  const dependencies: CallsByPair = new Map();
  // CROSS JOIN: in this order and no other, so that it can end anywhere and nothing is sorted.
  const rows = database
    .prepare(`
      SELECT t.start_us, c.parent IS NULL AS is_first, c.operation, c.duration_us, c.error,
        c.chunk, c.place, p.operation AS parent, p.error AS parent_error, p.chunk AS parent_chunk, p.place AS parent_place
      FROM trace t INDEXED BY trace_start
      CROSS JOIN span c ON c.trace = t.key
      LEFT JOIN span p ON p.trace = c.trace AND p.id = c.parent AND c.parent <> c.id
      WHERE t.start_us BETWEEN ? AND ? ORDER BY t.start_us DESC, t.key DESC`)
    .iterate(range.fromUs, range.toUs);
  let spanCount = 0;
  let cutAtMs: number | null = null;
  for (const row of rows) {
    if (spanCount + (backings?.linkedCount ?? 0) >= maxSpans || (backings !== undefined && notes.areEnough)) {
      cutAtMs = Number(row.start_us) / 1000;
      break;
    }
    spanCount++;
    const { service, kind } = operations.get(row.operation!)!;
    const calls = memberOf(services, service, () => new Calls());
    const durationUs = Number(row.duration_us);
    const isError = row.error === 1;
    const isFirst = row.is_first === 1;
    const parent = row.parent === null ? undefined : operations.get(row.parent!)!;
    const isQueued = backings?.see({
      service,
      kind,
      isFirst,
      durationUs,
      isError,
      note: backings.noteOf(row, "chunk", "place"),
      parent: parent && { service: parent.service, note: backings.noteOf(row, "parent_chunk", "parent_place") },
    });
    if (parent === undefined) {
      // The parent of a span that is called may be missing, or still to come; that of an inner one is of the same service.
      if (isFirst || kind === serverKind || kind === consumerKind) calls.add(durationUs, isError);
      continue;
    }
    if (parent.service === service) continue;
    calls.add(durationUs, isError);
    if (isQueued) continue;
    const hasFailed = isError || (row.parent_error === 1 && callersEndKinds.includes(parent.kind));
    callsOfPair(dependencies, parent.service, service).add(durationUs, hasFailed);
  }
  const shown = busiest(services, limitOf(limits.maxServices, defaultMaxServices, mostServices));
  return {
    services: shown.map((name): ServiceStats => ({ name, ...services.get(name)!.stats() })),
    dependencies: shown.flatMap((parent) =>
      shown.flatMap((child): Dependency[] => {
        const calls = dependencies.get(parent)?.get(child);
        return calls === undefined ? [] : [{ parent, child, ...calls.stats() }];
      }),
    ),
    ...(backings?.result(shown, maxBackings) ?? { backings: [], backingCalls: [], links: [], backingCount: 0 }),
    serviceCount: services.size,
    spanCount,
    cutAtMs,
  };
}

function limitOf(given: number | undefined, fallback: number, most: number): number {
  return Math.min(Math.max(1, Math.trunc(given ?? fallback)), most);
}

/** The names of the services with the most calls, sorted. */
function busiest(services: ReadonlyMap<string, Calls>, count: number): string[] {
  const names = [...services.keys()].sort();
  return names
    .sort((a, b) => services.get(b)!.count - services.get(a)!.count)
    .slice(0, count)
    .sort();
}
