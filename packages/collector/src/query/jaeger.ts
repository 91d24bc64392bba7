import type { ServiceMapLimits, Summary, TraceQuery, TraceStore } from "@clew/store";
import { decodeSpans } from "@clew/trace/otel";
import { type JaegerTrace, kindName, toJaegerTrace } from "./jaeger-trace.ts";
import { invalid, readDuration, readLimit, readNumber, readTags, readText, readTraceId } from "./parameters.ts";

/** What every answer of Jaeger's API v1 is in. */
export interface JaegerReply<T> {
  readonly data: T;
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
  readonly errors: { readonly code: number; readonly msg: string; readonly traceID?: string }[] | null;
}

function reply<T>(data: T, total = 0): JaegerReply<T> {
  return { data, total, limit: 0, offset: 0, errors: null };
}

/** An answer for what went wrong. */
export function jaegerFailure(code: number, msg: string): JaegerReply<null> {
  return { ...reply(null), errors: [{ code, msg }] };
}

/** GET /api/services */
export async function listServices(store: TraceStore): Promise<JaegerReply<string[]>> {
  const services = await store.services();
  return reply(services, services.length);
}

/** GET /api/services/{service}/operations */
export async function listOperationNames(store: TraceStore, service: string): Promise<JaegerReply<string[]>> {
  const names = [...new Set((await store.operations(service)).map(({ name }) => name))];
  return reply(names, names.length);
}

/** GET /api/operations?service=&spanKind= */
export async function listOperations(
  store: TraceStore,
  parameters: URLSearchParams,
): Promise<JaegerReply<{ name: string; spanKind: string }[]>> {
  const wanted = readText(parameters, "spanKind");
  const operations = (await store.operations(readText(parameters, "service")))
    .map(({ name, kind }) => ({ name, spanKind: kindName(kind) ?? "" }))
    .filter(({ spanKind }) => wanted === undefined || spanKind === wanted);
  // Without a service, two services may have the same one.
  const distinct = [...new Map(operations.map((operation) => [JSON.stringify(operation), operation])).values()];
  return reply(distinct, distinct.length);
}

const defaultLimit = 100;
const maxLimit = 1500;

/**
 * GET /api/traces, by search or by repeated `traceID`. As in Jaeger, minDuration and maxDuration are of a span, and one span
 * has to match service, operation, tags and duration together. Newest first.
 */
export async function findTraces(
  store: TraceStore,
  parameters: URLSearchParams,
  nowMs: number,
): Promise<JaegerReply<JaegerTrace[]>> {
  const asked = parameters.getAll("traceID").map(readTraceId);
  if (asked.length > 0) {
    const found = await Promise.all(asked.map((traceId) => readTrace(store, traceId)));
    const errors = asked
      .filter((_, index) => found[index] === undefined)
      .map((traceID) => ({ code: 404, msg: "trace not found", traceID }));
    return { ...reply(found.filter((trace) => trace !== undefined)), errors: errors.length === 0 ? null : errors };
  }
  const query = readJaegerQuery(parameters, nowMs);
  const limit = readLimit(parameters, defaultLimit, maxLimit);
  const summaries: Summary[] = [];
  let before: string | undefined;
  do {
    const page = await store.search(query, {
      limit: Math.min(limit - summaries.length, 1000),
      ...(before === undefined ? {} : { before }),
    });
    summaries.push(...page.summaries);
    before = page.next ?? undefined;
  } while (summaries.length < limit && before !== undefined);
  const traces: JaegerTrace[] = [];
  for (const { traceId } of summaries) {
    // Retention may have taken it since.
    const trace = await readTrace(store, traceId);
    if (trace !== undefined) traces.push(trace);
  }
  return reply(traces);
}

function readJaegerQuery(parameters: URLSearchParams, nowMs: number): TraceQuery {
  const query: TraceQuery = {};
  const service = readText(parameters, "service");
  const operation = readText(parameters, "operation");
  const spanMinUs = readDuration(parameters, "minDuration");
  const spanMaxUs = readDuration(parameters, "maxDuration");
  const tags = [...readTagsObject(parameters), ...readTags(parameters, "tag")];
  if (service !== undefined) query.service = service;
  // Jaeger UI sends "all" for any.
  if (operation !== undefined && operation !== "all") query.operation = operation;
  if (spanMinUs !== undefined) query.spanMinUs = spanMinUs;
  if (spanMaxUs !== undefined) query.spanMaxUs = spanMaxUs;
  if (tags.length > 0) query.tags = tags;
  // "custom" is how Jaeger UI says that start and end tell.
  const lookback = readText(parameters, "lookback") === "custom" ? undefined : readDuration(parameters, "lookback");
  const end = readNumber(parameters, "end");
  const start =
    readNumber(parameters, "start") ?? (lookback === undefined ? undefined : (end ?? nowMs * 1000) - lookback);
  if (start !== undefined || end !== undefined) {
    query.start = { fromUs: start ?? 0, toUs: end ?? Number.MAX_SAFE_INTEGER };
  }
  return query;
}

/** `tags`, a JSON object of texts. */
function readTagsObject(parameters: URLSearchParams): { key: string; value: string }[] {
  return parameters.getAll("tags").flatMap((text) => {
    if (text === "") return [];
    let tags: unknown;
    try {
      tags = JSON.parse(text);
    } catch {
      // Answered below, with everything else that is no object.
    }
    if (typeof tags !== "object" || tags === null || Array.isArray(tags)) {
      throw invalid("tags", text, 'a JSON object like {"http.status_code":"500"}');
    }
    return Object.entries(tags).map(([key, value]) => ({ key, value: String(value) }));
  });
}

/** GET /api/traces/{id}; undefined when it is unknown. */
export async function getTrace(store: TraceStore, id: string): Promise<JaegerReply<JaegerTrace[]> | undefined> {
  const trace = await readTrace(store, readTraceId(id));
  return trace === undefined ? undefined : reply([trace]);
}

async function readTrace(store: TraceStore, traceId: string): Promise<JaegerTrace | undefined> {
  const request = await store.trace(traceId);
  return request === null ? undefined : toJaegerTrace(traceId, decodeSpans(request));
}

const dayMs = 24 * 60 * 60 * 1000;
/** What other programs ask for now and then may cost more than what a page asks for again and again. */
const dependencyLimits: ServiceMapLimits = { maxSpans: 1_000_000, maxServices: 1000 };

/** GET /api/dependencies?endTs=&lookback=, both in milliseconds. Default: the last day. */
export async function listDependencies(
  store: TraceStore,
  parameters: URLSearchParams,
  nowMs: number,
): Promise<JaegerReply<{ parent: string; child: string; callCount: number }[]>> {
  const endMs = readNumber(parameters, "endTs") ?? nowMs;
  const lookbackMs = readNumber(parameters, "lookback") ?? dayMs;
  const range = { fromUs: (endMs - lookbackMs) * 1000, toUs: endMs * 1000 };
  const { dependencies } = await store.serviceMap(range, dependencyLimits);
  const data = dependencies.map(({ parent, child, callCount }) => ({ parent, child, callCount }));
  return reply(data, data.length);
}
