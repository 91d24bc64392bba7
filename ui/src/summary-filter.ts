import type { Summary, Tag } from "./api.ts";
import { parseDuration } from "./duration.ts";
import { addRange, allKept, mayContain, rangeFromQuery, type TimeRange } from "./time-range.ts";

/** What the list is narrowed to, as the user typed it. The URL of the list and the query of the API use the same names. */
export interface SummaryFilter {
  service: string;
  /** The service that calls this one. */
  caller: string;
  operation: string;
  errors: boolean;
  /** "200ms", "1.5s", or a bare number of milliseconds. */
  minDuration: string;
  /** "key:value", several divided by spaces; a value with spaces stands in double quotes. */
  tags: string;
  range: TimeRange;
}

export const emptyFilter: SummaryFilter = {
  service: "",
  caller: "",
  operation: "",
  errors: false,
  minDuration: "",
  tags: "",
  range: allKept,
};

export function isEmptyFilter(filter: SummaryFilter): boolean {
  return filterToQuery(filter).size === 0;
}

/** The filter as a query of the API, and of the list's own URL. What cannot be read is left out: see {@link filterProblem}. */
export function filterToQuery(filter: SummaryFilter): URLSearchParams {
  const query = new URLSearchParams();
  if (filter.service.trim() !== "") query.set("service", filter.service.trim());
  if (filter.caller !== "") query.set("caller", filter.caller);
  if (filter.operation.trim() !== "") query.set("operation", filter.operation.trim());
  if (filter.errors) query.set("errors", "true");
  const us = parseDuration(filter.minDuration);
  if (us !== undefined && us > 0) query.set("minDurationMs", String(us / 1000));
  for (const tag of splitTags(filter.tags)) if (isTag(tag)) query.append("tag", tag);
  addRange(query, filter.range, allKept);
  return query;
}

export function filterFromQuery(query: URLSearchParams): SummaryFilter {
  const minMs = query.get("minDurationMs");
  return {
    service: query.get("service") ?? "",
    caller: query.get("caller") ?? "",
    operation: query.get("operation") ?? "",
    errors: query.get("errors") === "true",
    minDuration: minMs === null ? "" : `${minMs}ms`,
    tags: query.getAll("tag").map(quoteTag).join(" "),
    range: rangeFromQuery(query, allKept),
  };
}

/**
 * The URL of the list with the traces of a service that started in a time; with `caller`, of those in which that one calls it; with
 * `tags`, of those in which a span of the service, or of any when none is named, has these attributes. With `failed`, only where
 * such a span or call has failed.
 */
export function tracesOf(
  service: string,
  range: TimeRange,
  { caller = "", failed = false, tags = [] }: { caller?: string; failed?: boolean; tags?: readonly Tag[] } = {},
): string {
  const texts = tags.map(({ key, value }) => `${key}:${value}`);
  if (failed) texts.push("error:true");
  return `/?${filterToQuery({ ...emptyFilter, service, caller, tags: texts.map(quoteTag).join(" "), range })}`;
}

/** Which text cannot be read, and what would work; null when all can. */
export function filterProblem(filter: SummaryFilter): { field: "minDuration" | "tags"; message: string } | null {
  if (filter.minDuration.trim() !== "" && parseDuration(filter.minDuration) === undefined) {
    return { field: "minDuration", message: `"${filter.minDuration}" is not a duration: try 200ms or 1.5s` };
  }
  const wrong = splitTags(filter.tags).find((tag) => !isTag(tag));
  if (wrong !== undefined) return { field: "tags", message: `"${wrong}" is not key:value: try http.route:/users` };
  return null;
}

/** True when a trace told of live may be in the filtered list. Operations, tags and who calls whom only the collector can judge. */
export function mayMatch(filter: SummaryFilter, summary: Summary): boolean {
  const wanted = [filter.service.trim(), filter.caller].filter((name) => name !== "");
  if (!wanted.every((service) => summary.services.some(({ name }) => name === service))) return false;
  if (!mayContain(filter.range, summary.startMs)) return false;
  if (filter.errors && summary.errorCount === 0) return false;
  const us = parseDuration(filter.minDuration);
  // A trace that is still growing may yet become long enough, and is told of again when it does.
  return us === undefined || summary.durationMs * 1000 >= us;
}

function isTag(tag: string): boolean {
  const colon = tag.indexOf(":");
  return colon > 0 && colon < tag.length - 1;
}

function splitTags(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([tag]) => tag.replaceAll('"', ""));
}

function quoteTag(tag: string): string {
  const colon = tag.indexOf(":");
  return /\s/.test(tag) ? `${tag.slice(0, colon + 1)}"${tag.slice(colon + 1)}"` : tag;
}
