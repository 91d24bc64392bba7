import { ServiceError } from "@clew/rpc";
import type { ServiceMap, StoreStats, SummaryPage, TraceQuery, TraceSkeleton, TraceStore } from "@clew/store";
import type { DecodedAttribute, DecodedValue } from "@clew/trace/otel";
import { invalid, readLimit, readNumber, readRange, readTags, readText, readTraceId } from "./parameters.ts";

/** An attribute as the UI shows it. */
export interface UiAttribute {
  readonly key: string;
  readonly value: DecodedValue;
}

/** One span in full. */
export interface UiSpan {
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly service: string;
  readonly operation: string;
  readonly kind: number;
  readonly startMs: number;
  readonly durationMs: number;
  readonly status: { readonly code: number; readonly message: string };
  readonly attributes: UiAttribute[];
  readonly events: { readonly name: string; readonly timeMs: number; readonly attributes: UiAttribute[] }[];
  readonly links: { readonly traceId: string; readonly spanId: string; readonly attributes: UiAttribute[] }[];
  readonly resource: UiAttribute[];
  readonly scope: { readonly name: string; readonly version: string };
}

/** GET /api/ui/summaries */
export async function listSummaries(
  store: TraceStore,
  parameters: URLSearchParams,
  nowMs: number,
): Promise<SummaryPage> {
  const before = readText(parameters, "before");
  const limit = readLimit(parameters, 50, 1000);
  try {
    return await store.search(readUiQuery(parameters, nowMs), before === undefined ? { limit } : { limit, before });
  } catch (error) {
    if ((error as { code?: string }).code !== "CLEW_STORE_CURSOR") throw error;
    throw invalid("before", before ?? "", 'the value "next" of the previous page');
  }
}

function readUiQuery(parameters: URLSearchParams, nowMs: number): TraceQuery {
  const query: TraceQuery = { start: readRange(parameters, nowMs, "all") };
  const service = readText(parameters, "service");
  const caller = readText(parameters, "caller");
  const operation = readText(parameters, "operation");
  const minMs = readNumber(parameters, "minDurationMs");
  const maxMs = readNumber(parameters, "maxDurationMs");
  const tags = readTags(parameters, "tag");
  if (service !== undefined) query.service = service;
  if (caller !== undefined) query.caller = caller;
  if (operation !== undefined) query.operation = operation;
  if (parameters.get("errors") === "true") query.hasError = true;
  if (minMs !== undefined) query.minDurationUs = minMs * 1000;
  if (maxMs !== undefined) query.maxDurationUs = maxMs * 1000;
  if (tags.length > 0) query.tags = tags;
  return query;
}

/** GET /api/ui/traces/{traceId} */
export async function getSkeleton(store: TraceStore, id: string): Promise<TraceSkeleton> {
  const traceId = readTraceId(id);
  const skeleton = await store.skeleton(traceId);
  if (skeleton === null) throw new ServiceError(404, "TRACE_NOT_FOUND", `no trace ${traceId}`);
  return skeleton;
}

/** GET /api/ui/traces/{traceId}/spans/{spanId} */
export async function getSpan(store: TraceStore, id: string, spanId: string): Promise<UiSpan> {
  const traceId = readTraceId(id);
  if (!/^[0-9a-f]{16}$/i.test(spanId)) throw invalid("the span id", spanId, "16 hex digits");
  const span = await store.span(traceId, spanId.toLowerCase());
  if (span === null) throw new ServiceError(404, "SPAN_NOT_FOUND", `no span ${spanId} in trace ${traceId}`);
  return {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId || null,
    service: span.service,
    operation: span.name,
    kind: span.kind,
    startMs: span.startUs / 1000,
    durationMs: span.durationUs / 1000,
    status: span.status,
    attributes: span.attributes.map(toUiAttribute),
    events: span.events.map(({ name, timeUs, attributes }) => ({
      name,
      timeMs: timeUs / 1000,
      attributes: attributes.map(toUiAttribute),
    })),
    links: span.links.map(({ traceId, spanId, attributes }) => ({
      traceId,
      spanId,
      attributes: attributes.map(toUiAttribute),
    })),
    resource: span.resource.map(toUiAttribute),
    scope: span.scope,
  };
}

function toUiAttribute({ key, value }: DecodedAttribute): UiAttribute {
  return { key, value };
}

/** The data for the UI's map of services. */
export interface UiServiceMap extends ServiceMap {
  /**
   * The requested time range, in Unix milliseconds; it ends now if the request has no end. The map shows traces that started in
   * it.
   */
  readonly fromMs: number;
  readonly toMs: number;
}

const defaultMaxBackings = 100;

/** GET /api/ui/services. Default: the last hour, within the store's limits, with the 100 most used databases and queues. */
export async function getServiceMap(
  store: TraceStore,
  parameters: URLSearchParams,
  nowMs: number,
): Promise<UiServiceMap> {
  const range = readRange(parameters, nowMs, "1h");
  const maxSpans = readNumber(parameters, "maxSpans");
  const maxServices = readNumber(parameters, "maxServices");
  const map = await store.serviceMap(range, {
    ...(maxSpans !== undefined && { maxSpans }),
    ...(maxServices !== undefined && { maxServices }),
    maxBackings: readNumber(parameters, "maxBackings") ?? defaultMaxBackings,
  });
  return { fromMs: range.fromUs / 1000, toMs: readNumber(parameters, "toMs") ?? nowMs, ...map };
}

/** GET /api/ui/stats */
export function getStats(store: TraceStore): Promise<StoreStats> {
  return store.stats();
}
