// What records must be in OTLP's JSON, written down here once more, without the encoders that are judged.
import type { HistogramPoint, MetricData, MetricsData, NumberPoint } from "@clew/metrics";
import type { AttributeValue, FlatAttributes, Resource, Scope, SpanData } from "@clew/trace";

type Json = Record<string, unknown>;

/** A span with all that says whose it is. */
export function expectedSpan(span: SpanData): Json {
  return bare({
    resource: { attributes: toAttributes(span.resource.attributes) },
    resourceSchema: span.resource.schemaUrl,
    ...toScope(span.scope),
    span: {
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      traceState: span.traceState,
      flags: toFlags(span.traceFlags, span.isParentRemote),
      name: span.name,
      kind: span.kind + 1,
      startTimeUnixNano: toNanos(span.startUs),
      endTimeUnixNano: toNanos(span.endUs),
      attributes: toAttributes(span.attributes),
      droppedAttributesCount: span.droppedAttributes,
      events: span.events.map(({ name, timeUs, attributes, droppedAttributes }) => ({
        name,
        timeUnixNano: toNanos(timeUs),
        attributes: toAttributes(attributes),
        droppedAttributesCount: droppedAttributes,
      })),
      droppedEventsCount: span.droppedEvents,
      links: span.links.map(({ traceId, spanId, traceFlags, traceState, isRemote, attributes, droppedAttributes }) => ({
        traceId,
        spanId,
        traceState,
        flags: toFlags(traceFlags, isRemote),
        attributes: toAttributes(attributes),
        droppedAttributesCount: droppedAttributes,
      })),
      droppedLinksCount: span.droppedLinks,
      status: { code: span.statusCode, message: span.statusMessage },
    },
  });
}

/** The spans of requests of traces, as {@link expectedSpan} has them. */
export function spansOf(requests: readonly unknown[]): Json[] {
  return requests.flatMap((request) =>
    listOf(request, "resourceSpans").flatMap((group) =>
      listOf(group, "scopeSpans").flatMap(({ spans, scope, schemaUrl }) =>
        (spans as Json[]).map((span) =>
          bare({ resource: group.resource, resourceSchema: group.schemaUrl, scope, scopeSchema: schemaUrl, span }),
        ),
      ),
    ),
  );
}

/** A metric with all that says whose it is. */
export function expectedMetrics({ resource, scopes }: MetricsData): Json[] {
  return scopes.flatMap(({ scope, metrics }) =>
    metrics.map((metric) => bare({ ...toResource(resource), ...toScope(scope), metric: toMetric(metric) })),
  );
}

/** The metrics of requests, as {@link expectedMetrics} has them. */
export function metricsOf(requests: readonly unknown[]): Json[] {
  return requests.flatMap((request) =>
    listOf(request, "resourceMetrics").flatMap((group) =>
      listOf(group, "scopeMetrics").flatMap(({ metrics, scope, schemaUrl }) =>
        (metrics as Json[]).map((metric) =>
          bare({ resource: group.resource, resourceSchema: group.schemaUrl, scope, scopeSchema: schemaUrl, metric }),
        ),
      ),
    ),
  );
}

/** The `service.name` of what {@link spansOf} and its like return. */
export function serviceOf({ resource }: Json): unknown {
  const { attributes } = resource as { attributes: { key: string; value: { stringValue?: string } }[] };
  return attributes.find(({ key }) => key === "service.name")?.value.stringValue;
}

export function listOf(owner: unknown, name: string): Json[] {
  return ((owner as Json)[name] ?? []) as Json[];
}

export function toResource({ attributes, schemaUrl }: Resource): Json {
  return { resource: { attributes: toAttributes(attributes) }, resourceSchema: schemaUrl };
}

function toScope({ name, version, schemaUrl }: Scope): Json {
  return { scope: { name, version }, scopeSchema: schemaUrl };
}

function toMetric(metric: MetricData): Json {
  const { name, description, unit } = metric;
  const about = { name, description, unit };
  if (metric.type === "gauge") return { ...about, gauge: { dataPoints: metric.points.map(toPoint) } };
  const aggregationTemporality = metric.isDelta ? 1 : 2;
  if (metric.type === "sum") {
    const { isMonotonic, isInt } = metric;
    const dataPoints = metric.points.map((point) => toPoint({ ...point, isInt }));
    return { ...about, sum: { dataPoints, aggregationTemporality, isMonotonic } };
  }
  const isExponential = metric.points.some(({ exponential }) => exponential !== undefined);
  return isExponential
    ? {
        ...about,
        exponentialHistogram: { dataPoints: metric.points.map(toExponentialPoint), aggregationTemporality },
      }
    : {
        ...about,
        histogram: { dataPoints: metric.points.map((at) => toBuckets(at, metric.boundaries)), aggregationTemporality },
      };
}

function toPoint({ value, isInt = false, ...point }: NumberPoint & { isInt?: boolean }): Json {
  return { ...toPointBase(point), ...(isInt ? { asInt: String(value) } : { asDouble: value }) };
}

function toPointBase(point: Omit<NumberPoint, "value">): Json {
  return {
    attributes: toAttributes(point.attributes),
    startTimeUnixNano: toNanos(point.startUs),
    timeUnixNano: toNanos(point.timeUs),
    exemplars: point.exemplars.map(({ value, timeUs, traceId, spanId }) => ({
      timeUnixNano: toNanos(timeUs),
      traceId,
      spanId,
      asDouble: value,
    })),
  };
}

function toDistribution(point: HistogramPoint): Json {
  return { ...toPointBase(point), count: String(point.count), sum: point.sum, min: point.min, max: point.max };
}

function toBuckets(point: HistogramPoint, explicitBounds: readonly number[]): Json {
  return { ...toDistribution(point), bucketCounts: point.counts.map(String), explicitBounds };
}

function toExponentialPoint(point: HistogramPoint): Json {
  const { scale, zeroCount, offset, counts } = point.exponential!;
  return {
    ...toDistribution(point),
    scale,
    zeroCount: String(zeroCount),
    positive: { offset, bucketCounts: counts.map(String) },
  };
}

/** OTLP's flags: those of W3C, "it is known whether the other end is remote", and whether it is. */
function toFlags(traceFlags: number, isRemote: boolean): number {
  return traceFlags + 256 + (isRemote ? 512 : 0);
}

function toNanos(us: number): string {
  const whole = Math.floor(us);
  return String(BigInt(whole) * 1000n + BigInt(Math.round((us - whole) * 1000)));
}

export function toAttributes(flat: FlatAttributes): Json[] {
  const attributes: Json[] = [];
  for (let at = 0; at < flat.length; at += 2) attributes.push({ key: flat[at], value: toValue(flat[at + 1]!) });
  return attributes;
}

function toValue(value: AttributeValue): Json {
  if (value === null) return {};
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: Number.isFinite(value) ? value : String(value) };
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return { arrayValue: listIfAny("values", (value as AttributeValue[]).map(toValue)) };
  const entries = Object.entries(value as Record<string, AttributeValue>);
  return { kvlistValue: listIfAny("values", toAttributes(entries.flat())) };
}

function listIfAny(name: string, list: readonly Json[]): Json {
  return list.length === 0 ? {} : { [name]: list };
}

/** Without what says nothing, which one encoder writes and another leaves out. An attribute's value is as it is. */
export function bare<T>(given: T): T {
  if (Array.isArray(given)) return given.map(bare) as T;
  if (typeof given !== "object" || given === null) return given;
  const kept = Object.entries(given).map(([key, value]) => [key, key === "value" ? value : bare(value)] as const);
  return Object.fromEntries(kept.filter(([key, value]) => key === "value" || !saysNothing(value))) as T;
}

function saysNothing(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === "" || value === 0 || value === "0" || value === false;
}
