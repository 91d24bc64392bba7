import { attributesAsJson, fieldAsJson, nanosAsJson, scopeAsJson, textAsJson } from "@clew/trace/otlp-writer";
import { isExponential } from "./encode.ts";
import type { Exemplar, ExponentialData, HistogramPoint, MetricData, MetricsData, NumberPoint } from "./metric-data.ts";

// OTLP v1.11 in JSON ("JSON Protobuf Encoding"), as spans are written: ids in hex, enums as numbers, 64-bit integers as strings.

/** Metrics as the JSON of an ExportMetricsServiceRequest. */
export function encodeMetricsAsJson({ resource, scopes }: MetricsData): string {
  const groups = scopes.map(
    ({ scope, metrics }) =>
      `{"scope":${scopeAsJson(scope)},"metrics":[${metrics.map(toMetric).join(",")}]${fieldAsJson("schemaUrl", scope.schemaUrl)}}`,
  );
  const head = `{"resourceMetrics":[{"resource":{"attributes":${attributesAsJson(resource.attributes)}}`;
  return `${head},"scopeMetrics":[${groups.join(",")}]${fieldAsJson("schemaUrl", resource.schemaUrl)}}]}`;
}

function toMetric(metric: MetricData): string {
  const names = `"name":${textAsJson(metric.name)}${fieldAsJson("description", metric.description)}${fieldAsJson("unit", metric.unit)}`;
  const type = metric.type === "histogram" && isExponential(metric) ? "exponentialHistogram" : metric.type;
  return `{${names},"${type}":${toData(metric)}}`;
}

function toData(metric: MetricData): string {
  if (metric.type === "gauge") return `{"dataPoints":[${toNumberPoints(metric.points, metric.isInt)}]}`;
  const temporality = `"aggregationTemporality":${metric.isDelta ? 1 : 2}`;
  if (metric.type === "sum") {
    return `{"dataPoints":[${toNumberPoints(metric.points, metric.isInt)}],${temporality},"isMonotonic":${metric.isMonotonic}}`;
  }
  const points = metric.points.map((point) => toHistogramPoint(point, metric.boundaries));
  return `{"dataPoints":[${points.join(",")}],${temporality}}`;
}

function toNumberPoints(points: readonly NumberPoint[], isInt: boolean): string {
  return points
    .map((point) => `{${toHead(point)},${toNumber(point.value, isInt)}${toExemplars(point.exemplars, isInt)}}`)
    .join(",");
}

function toHistogramPoint(point: HistogramPoint, boundaries: readonly number[]): string {
  const extremes = point.min === undefined ? "" : `,"min":${point.min},"max":${point.max}`;
  const values = `"count":"${point.count}","sum":${point.sum}${extremes}`;
  const buckets =
    point.exponential === undefined
      ? `${toCounts(point.counts)},"explicitBounds":[${boundaries.join(",")}]`
      : toExponential(point.exponential);
  return `{${toHead(point)},${values},${buckets}${toExemplars(point.exemplars, false)}}`;
}

function toCounts(counts: readonly number[]): string {
  return `"bucketCounts":[${counts.map((count) => `"${count}"`).join(",")}]`;
}

function toExponential({ scale, zeroCount, offset, counts }: ExponentialData): string {
  return `"scale":${scale},"zeroCount":"${zeroCount}","positive":{"offset":${offset},${toCounts(counts)}}`;
}

function toHead({ attributes, startUs, timeUs }: NumberPoint | HistogramPoint): string {
  const times = `"startTimeUnixNano":"${nanosAsJson(startUs)}","timeUnixNano":"${nanosAsJson(timeUs)}"`;
  return `"attributes":${attributesAsJson(attributes)},${times}`;
}

function toNumber(value: number, isInt: boolean): string {
  return isInt && Number.isSafeInteger(value) ? `"asInt":"${value}"` : `"asDouble":${value}`;
}

function toExemplars(exemplars: readonly Exemplar[], isInt: boolean): string {
  if (exemplars.length === 0) return "";
  const texts = exemplars.map(
    ({ value, timeUs, traceId, spanId }) =>
      `{"timeUnixNano":"${nanosAsJson(timeUs)}",${toNumber(value, isInt)},"spanId":"${spanId}","traceId":"${traceId}"}`,
  );
  return `,"exemplars":[${texts.join(",")}]`;
}
