import type { Summary, SummaryService } from "./api.ts";

/**
 * The list with these summaries put in: a known trace is replaced by its newer state, a new one takes its place by start
 * time, the newest first. Returns the same array when nothing changes.
 */
export function mergeSummaries(list: readonly Summary[], changes: Iterable<Summary>): readonly Summary[] {
  const byId = new Map<string, Summary>();
  for (const change of changes) byId.set(change.traceId, change);
  if (byId.size === 0) return list;
  const merged = list.map((summary) => {
    const change = byId.get(summary.traceId);
    byId.delete(summary.traceId);
    return change ?? summary;
  });
  merged.push(...byId.values());
  return merged.sort(newestFirst);
}

/** Of what came live, the traces that the list does not hold yet. */
export function unknownTo(list: readonly Summary[], changes: Iterable<Summary>): Summary[] {
  const known = new Set(list.map(({ traceId }) => traceId));
  return [...changes].filter(({ traceId }) => !known.has(traceId));
}

function newestFirst(a: Summary, b: Summary): number {
  return b.startMs - a.startMs || (a.traceId < b.traceId ? 1 : a.traceId > b.traceId ? -1 : 0);
}

/** The services a trace passed, the one that began it first. */
export function servicesPassed({ services, rootService }: Summary): SummaryService[] {
  const isRoot = ({ name }: SummaryService): boolean => name === rootService;
  return [...services.filter(isRoot), ...services.filter((service) => !isRoot(service))];
}
