// The UI API of the collector (packages/collector), as the UI reads it. Times are unix milliseconds unless named Us.

export interface SummaryService {
  name: string;
  spanCount: number;
  errorCount: number;
}

/** One trace in the list. */
export interface Summary {
  traceId: string;
  rootService: string;
  rootOperation: string;
  /** The root's HTTP method and path, when it has one: "GET /v1/users/1/messages". */
  path: string | null;
  startMs: number;
  durationMs: number;
  spanCount: number;
  errorCount: number;
  services: SummaryService[];
  /** False while the root span has not arrived; the root fields then tell of the earliest span. */
  complete: boolean;
}

export interface SummaryPage {
  summaries: Summary[];
  /** Cursor of the next older page, or null at the end. */
  next: string | null;
}

/** A whole trace as columns: row i of every array is one span. */
export interface TraceColumns {
  traceId: string;
  startMs: number;
  durationMs: number;
  services: string[];
  operations: string[];
  spans: {
    spanId: string[];
    /** Row of the parent; -1 for a root, -2 when the parent has not been received. */
    parent: number[];
    service: number[];
    operation: number[];
    /** Microseconds from startMs. */
    startUs: number[];
    durationUs: number[];
    /** OTLP's numbers. */
    kind: number[];
    error: (0 | 1)[];
  };
}

export interface Attribute {
  key: string;
  value: unknown;
}

export interface SpanEvent {
  name: string;
  timeMs: number;
  attributes: Attribute[];
}

export interface SpanLink {
  traceId: string;
  spanId: string;
  attributes: Attribute[];
}

export interface SpanDetails {
  spanId: string;
  parentSpanId: string | null;
  service: string;
  operation: string;
  kind: number;
  startMs: number;
  durationMs: number;
  status: { code: number; message: string };
  attributes: Attribute[];
  events: SpanEvent[];
  links: SpanLink[];
  resource: Attribute[];
  scope: { name: string; version: string };
}

export interface Stats {
  spans: number;
  traces: number;
  bytes: number;
  oldestMs: number | null;
  droppedSpans: number;
  rejectedSpans: number;
}

export interface CallStats {
  callCount: number;
  errorCount: number;
  p50Ms: number;
  p95Ms: number;
}

/** A service, and what it was asked to do. */
export interface ServiceStats extends CallStats {
  name: string;
}

/** One service calls another; the times are the callee's. */
export interface Dependency extends CallStats {
  parent: string;
  child: string;
}

/** A database or a queue, and what it was asked or sent, as its callers saw it. */
export interface Backing extends CallStats {
  kind: "database" | "queue";
  /** "postgresql", "kafka". */
  system: string;
  /** A database's namespace, a queue's destination; may be empty, as `host` and `system` may. */
  name: string;
  host: string;
}

export interface Tag {
  key: string;
  value: string;
}

/** The calls of one service; what it takes from a queue is timed as it works on that. */
export interface BackingCall extends CallStats {
  service: string;
  /** Index into the map's backings. */
  backing: number;
  isTaking: boolean;
  /** Attributes by which, with the service, the traces of such calls are found. */
  tags: Tag[];
}

export interface ServiceMap {
  fromMs: number;
  toMs: number;
  services: ServiceStats[];
  dependencies: Dependency[];
  backings: Backing[];
  backingCalls: BackingCall[];
  /** Where a link leads from one service to another, and no parent. */
  links: Dependency[];
  /** How many databases and queues were met, as `serviceCount`. */
  backingCount: number;
  /** How many services were met; more than are given when there were very many. */
  serviceCount: number;
  spanCount: number;
  /** What started earlier was not counted, for there was too much; null when everything was. */
  cutAtMs: number | null;
}

/** What the collector answered with: its HTTP status (0: it did not answer), and its reason. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { headers: { accept: "application/json" }, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The collector does not answer.");
  }
  if (response.ok) return (await response.json()) as T;
  // Every error of the collector has the shape { code, reason, message }; a proxy's may not.
  const body: unknown = await response.json().catch(() => undefined);
  const message = (body as { message?: unknown } | undefined)?.message;
  throw new ApiError(
    response.status,
    typeof message === "string" ? message : `${response.status} ${response.statusText}`,
  );
}

export function fetchSummaries(query: URLSearchParams, signal?: AbortSignal): Promise<SummaryPage> {
  return get(`/api/ui/summaries?${query}`, signal);
}

export function fetchTrace(traceId: string, signal?: AbortSignal): Promise<TraceColumns> {
  return get(`/api/ui/traces/${encodeURIComponent(traceId)}`, signal);
}

export function fetchSpan(traceId: string, spanId: string, signal?: AbortSignal): Promise<SpanDetails> {
  return get(`/api/ui/traces/${encodeURIComponent(traceId)}/spans/${encodeURIComponent(spanId)}`, signal);
}

export function fetchServiceMap(query: URLSearchParams, signal?: AbortSignal): Promise<ServiceMap> {
  return get(`/api/ui/services?${query}`, signal);
}

export function fetchStats(signal?: AbortSignal): Promise<Stats> {
  return get("/api/ui/stats", signal);
}

/** Names of every service heard of, for suggestions; Jaeger's shape. */
export async function fetchServices(signal?: AbortSignal): Promise<string[]> {
  return (await get<{ data: string[] | null }>("/api/services", signal)).data ?? [];
}

/** Names of the operations of a service, for suggestions; Jaeger's shape. */
export async function fetchOperations(service: string, signal?: AbortSignal): Promise<string[]> {
  return (
    (await get<{ data: string[] | null }>(`/api/services/${encodeURIComponent(service)}/operations`, signal)).data ?? []
  );
}
