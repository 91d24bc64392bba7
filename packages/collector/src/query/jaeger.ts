import { ServiceError } from "@clew/rpc";
import type { ServiceMapLimits, Summary, TraceQuery, TraceStore } from "@clew/store";
import { decodeSpans } from "@clew/trace/otel";
import { type JaegerTrace, kindName, toJaegerTrace } from "./jaeger-trace.ts";
import { invalid, readDuration, readLimit, readNumber, readTags, readText, readTraceId } from "./parameters.ts";

/** The wrapper of every reply of Jaeger's API v1. */
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

/** The reply for an error. */
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
  // Without a service, the same operation may come from two services.
  const distinct = [...new Map(operations.map((operation) => [JSON.stringify(operation), operation])).values()];
  return reply(distinct, distinct.length);
}

const defaultLimit = 100;
const maxLimit = 1500;
/**
 * How many bytes are read from the store for one reply, in bytes of OTLP. The JSON is several times as large, and so are the
 * objects before it.
 */
const mostReadBytes = 32 * 1024 * 1024;

/**
 * GET /api/traces, by search or by repeated `traceID`. As in Jaeger, minDuration and maxDuration apply to a span, and a single
 * span must match service, operation, tags and duration together. Newest first. Traces that are too large for one reply are left
 * out, and `errors` names them.
 */
export async function findTraces(
  store: TraceStore,
  parameters: URLSearchParams,
  nowMs: number,
): Promise<JaegerReply<JaegerTrace[]>> {
  const asked = parameters.getAll("traceID").map(readTraceId);
  if (asked.length > 0) return readTraces(store, [...new Set(asked)], true);
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
  // Some may have been deleted since the search.
  return readTraces(
    store,
    summaries.map(({ traceId }) => traceId),
    false,
  );
}

/** Reads traces one after the other until they are too large for one reply. `isAsked` says whether a missing trace is an error. */
async function readTraces(
  store: TraceStore,
  ids: readonly string[],
  isAsked: boolean,
): Promise<JaegerReply<JaegerTrace[]>> {
  const traces: JaegerTrace[] = [];
  const errors: NonNullable<JaegerReply<unknown>["errors"]>[number][] = [];
  let leftBytes = mostReadBytes;
  for (const traceID of ids) {
    const request = leftBytes < 0 ? undefined : await store.trace(traceID);
    if (request === null) {
      if (isAsked) errors.push({ code: 404, msg: "trace not found", traceID });
      continue;
    }
    // A trace that fits no reply does not use up the space for the others.
    if (request !== undefined && request.length <= mostReadBytes) leftBytes -= request.length;
    if (request === undefined || request.length > mostReadBytes || leftBytes < 0) {
      errors.push({ code: 413, msg: "the trace is too large for this reply", traceID });
    } else traces.push(toJaegerTrace(traceID, decodeSpans(request)));
  }
  return { ...reply(traces), errors: errors.length === 0 ? null : errors };
}

function readJaegerQuery(parameters: URLSearchParams, nowMs: number): TraceQuery {
  const query: TraceQuery = {};
  const service = readText(parameters, "service");
  const operation = readText(parameters, "operation");
  const spanMinUs = readDuration(parameters, "minDuration");
  const spanMaxUs = readDuration(parameters, "maxDuration");
  const tags = [...readTagsObject(parameters), ...readTags(parameters, "tag")];
  if (service !== undefined) query.service = service;
  // Jaeger UI sends "all" for any operation.
  if (operation !== undefined && operation !== "all") query.operation = operation;
  if (spanMinUs !== undefined) query.spanMinUs = spanMinUs;
  if (spanMaxUs !== undefined) query.spanMaxUs = spanMaxUs;
  if (tags.length > 0) query.tags = tags;
  // With "custom", Jaeger UI sends start and end instead of a lookback.
  const lookback = readText(parameters, "lookback") === "custom" ? undefined : readDuration(parameters, "lookback");
  const end = readNumber(parameters, "end");
  const start =
    readNumber(parameters, "start") ?? (lookback === undefined ? undefined : (end ?? nowMs * 1000) - lookback);
  if (start !== undefined || end !== undefined) {
    query.start = { fromUs: start ?? 0, toUs: end ?? Number.MAX_SAFE_INTEGER };
  }
  return query;
}

/** Reads `tags`, a JSON object of strings. */
function readTagsObject(parameters: URLSearchParams): { key: string; value: string }[] {
  return parameters.getAll("tags").flatMap((text) => {
    if (text === "") return [];
    let tags: unknown;
    try {
      tags = JSON.parse(text);
    } catch {
      // Reported below, like any other value that is not an object.
    }
    if (typeof tags !== "object" || tags === null || Array.isArray(tags)) {
      throw invalid("tags", text, 'a JSON object like {"http.status_code":"500"}');
    }
    return Object.entries(tags).map(([key, value]) => ({ key, value: String(value) }));
  });
}

/** GET /api/traces/{id}; undefined when it is unknown. */
export async function getTrace(store: TraceStore, id: string): Promise<JaegerReply<JaegerTrace[]> | undefined> {
  const found = await readTraces(store, [readTraceId(id)], true);
  const { code, msg } = found.errors?.[0] ?? { code: 200, msg: "" };
  if (code === 413) throw new ServiceError(413, "TRACE_TOO_LARGE", msg);
  return code === 404 ? undefined : found;
}

const dayMs = 24 * 60 * 60 * 1000;
/** Other programs ask for this rarely, so it may cost more than what a page asks for repeatedly. */
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
