import type { DatabaseSync } from "node:sqlite";
import type { CallStats, Dependency, ServiceMap, ServiceMapLimits, ServiceStats, TimeRange } from "../contract.ts";

const defaultMaxSpans = 100_000;
const mostSpans = 1_000_000;
const defaultMaxServices = 100;
const mostServices = 1000;

// SpanKind of the side that is called.
const serverKind = 2;
const consumerKind = 5;
/** SpanKind of the side that calls, a client's and a producer's: its error is the call's. That of other spans may be of anything. */
export const callersEndKinds: readonly number[] = [3, 4];

/** Answers {@link TraceStore.serviceMap}: one look at each span and its parent, the newest traces first. */
export function readServiceMap(database: DatabaseSync, range: TimeRange, limits: ServiceMapLimits): ServiceMap {
  const maxSpans = limitOf(limits.maxSpans, defaultMaxSpans, mostSpans);
  const operations = new Map(
    database
      .prepare("SELECT key, service, kind FROM operation")
      .all()
      .map((row) => [row.key, { service: String(row.service), kind: Number(row.kind) }]),
  );
  const services = new Map<string, Calls>();
  const dependencies = new Map<string, Map<string, Calls>>();
  // CROSS JOIN: in this order and no other, so that it can end anywhere and nothing is sorted.
  const rows = database
    .prepare(`
      SELECT t.start_us, c.parent IS NULL AS is_first, c.operation, c.duration_us, c.error,
        p.operation AS parent, p.error AS parent_error
      FROM trace t INDEXED BY trace_start
      CROSS JOIN span c ON c.trace = t.key
      LEFT JOIN span p ON p.trace = c.trace AND p.id = c.parent AND c.parent <> c.id
      WHERE t.start_us BETWEEN ? AND ? ORDER BY t.start_us DESC, t.key DESC`)
    .iterate(range.fromUs, range.toUs);
  let spanCount = 0;
  let cutAtMs: number | null = null;
  for (const row of rows) {
    if (spanCount === maxSpans) {
      cutAtMs = Number(row.start_us) / 1000;
      break;
    }
    spanCount++;
    const { service, kind } = operations.get(row.operation!)!;
    const calls = memberOf(services, service, () => new Calls());
    const durationUs = Number(row.duration_us);
    const isError = row.error === 1;
    if (row.parent === null) {
      // The parent of a span that is called may be missing, or still to come; that of an inner one is of the same service.
      if (row.is_first === 1 || kind === serverKind || kind === consumerKind) calls.add(durationUs, isError);
      continue;
    }
    const parent = operations.get(row.parent!)!;
    if (parent.service === service) continue;
    calls.add(durationUs, isError);
    const children = memberOf(dependencies, parent.service, () => new Map<string, Calls>());
    const hasFailed = isError || (row.parent_error === 1 && callersEndKinds.includes(parent.kind));
    memberOf(children, service, () => new Calls()).add(durationUs, hasFailed);
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

function memberOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}

/** Calls of one kind. Every duration is kept: there are no more than spans that are looked at. */
class Calls {
  readonly #durationsUs: number[] = [];
  #errorCount = 0;

  get count(): number {
    return this.#durationsUs.length;
  }

  add(durationUs: number, isError: boolean): void {
    this.#durationsUs.push(durationUs);
    if (isError) this.#errorCount++;
  }

  stats(): CallStats {
    const sorted = Float64Array.from(this.#durationsUs).sort();
    return {
      callCount: sorted.length,
      errorCount: this.#errorCount,
      p50Ms: percentile(sorted, 0.5) / 1000,
      p95Ms: percentile(sorted, 0.95) / 1000,
    };
  }
}

/** By nearest rank: the smallest value that so large a share of all does not exceed. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
}
