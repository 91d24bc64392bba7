import {
  bytes,
  closeMessage,
  encodeResource,
  encodeScope,
  ensureRoom,
  openMessage,
  takeBytes,
  writeAttributes,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeHex,
  writeInt64,
  writeNanos,
  writeText,
  writeVarint,
} from "@clew/trace/otlp-writer";
import type {
  Exemplar,
  ExponentialData,
  HistogramData,
  HistogramPoint,
  MetricData,
  MetricsData,
  NumberPoint,
} from "./metric-data.ts";

// ExportMetricsServiceRequest of OTLP v1.11, opentelemetry/proto/collector/metrics/v1/metrics_service.proto and below.

/** How many bytes the length takes, as a rule: of an exemplar, of a point, of a metric, of everything. */
const smallRoom = 1;
const pointRoom = 2;
const metricRoom = 2;
const allRoom = 3;

/** Metrics as an ExportMetricsServiceRequest. The buffer is the caller's. */
export function encodeMetrics({ resource, scopes }: MetricsData): Buffer<ArrayBuffer> {
  // Before anything is written: these are made in the same buffer.
  const resourceBytes = encodeResource(resource);
  const scopeBytes = scopes.map(({ scope }) => encodeScope(scope));
  const start = openMessage(0, 0x0a, allRoom);
  let place = writeBytes(start, 0x0a, resourceBytes);
  scopes.forEach(({ scope, metrics }, index) => {
    const scopeStart = openMessage(place, 0x12, allRoom);
    place = writeBytes(scopeStart, 0x0a, scopeBytes[index]!);
    for (const metric of metrics) place = writeMetric(place, metric);
    place = closeMessage(scopeStart, writeText(place, 0x1a, scope.schemaUrl), allRoom);
  });
  return takeBytes(closeMessage(start, writeText(place, 0x1a, resource.schemaUrl), allRoom));
}

function writeMetric(at: number, metric: MetricData): number {
  const start = openMessage(at, 0x12, metricRoom);
  let place = writeText(start, 0x0a, metric.name);
  place = writeText(place, 0x12, metric.description);
  place = writeText(place, 0x1a, metric.unit);
  switch (metric.type) {
    case "gauge":
      place = writeGauge(place, metric.points, metric.isInt);
      break;
    case "sum": {
      const sumStart = openMessage(place, 0x3a, metricRoom);
      place = sumStart;
      for (const point of metric.points) place = writeNumberPoint(place, point, metric.isInt);
      place = writeTemporality(place, metric.isDelta);
      if (metric.isMonotonic) {
        bytes[place] = 0x18;
        bytes[place + 1] = 1;
        place += 2;
      }
      place = closeMessage(sumStart, place, metricRoom);
      break;
    }
    case "histogram": {
      if (isExponential(metric)) {
        place = writeExponential(place, metric);
        break;
      }
      const histogramStart = openMessage(place, 0x4a, metricRoom);
      place = histogramStart;
      for (const point of metric.points) place = writeHistogramPoint(place, point, metric.boundaries);
      place = closeMessage(histogramStart, writeTemporality(place, metric.isDelta), metricRoom);
      break;
    }
  }
  return closeMessage(start, place, metricRoom);
}

function writeGauge(at: number, points: readonly NumberPoint[], isInt: boolean): number {
  const start = openMessage(at, 0x2a, metricRoom);
  let place = start;
  for (const point of points) place = writeNumberPoint(place, point, isInt);
  return closeMessage(start, place, metricRoom);
}

function writeTemporality(at: number, isDelta: boolean): number {
  ensureRoom(at, 0);
  bytes[at] = 0x10;
  bytes[at + 1] = isDelta ? 1 : 2;
  return at + 2;
}

function writeNumberPoint(at: number, point: NumberPoint, isInt: boolean): number {
  const start = openMessage(at, 0x0a, pointRoom);
  let place = writeTimes(start, point);
  place = writeNumber(place, point.value, isInt);
  for (const exemplar of point.exemplars) place = writeExemplar(place, 0x2a, exemplar, isInt);
  return closeMessage(start, writeAttributes(place, 0x3a, point.attributes), pointRoom);
}

function writeHistogramPoint(at: number, point: HistogramPoint, boundaries: readonly number[]): number {
  const start = openMessage(at, 0x0a, pointRoom);
  let place = writeTimes(start, point);
  bytes[place] = 0x21;
  place = writeFixed64(place + 1, point.count);
  bytes[place] = 0x29;
  place = writeDouble(place + 1, point.sum);
  // Packed: the lists' lengths are known before them.
  ensureRoom(place, 8 * (point.counts.length + boundaries.length) + 64);
  let listStart = openMessage(place, 0x32, pointRoom);
  place = listStart;
  for (const count of point.counts) place = writeFixed64(place, count);
  place = closeMessage(listStart, place, pointRoom);
  if (boundaries.length > 0) {
    listStart = openMessage(place, 0x3a, pointRoom);
    place = listStart;
    for (const boundary of boundaries) place = writeDouble(place, boundary);
    place = closeMessage(listStart, place, pointRoom);
  }
  for (const exemplar of point.exemplars) place = writeExemplar(place, 0x42, exemplar, false);
  place = writeAttributes(place, 0x4a, point.attributes);
  return closeMessage(start, writeExtremes(place, point, 0x59, 0x61), pointRoom);
}

/** Whether a histogram is told in exponential buckets: all of its points are of one stream. */
export function isExponential({ points }: HistogramData): boolean {
  return points[0]?.exponential !== undefined;
}

function writeExponential(at: number, { points, isDelta }: HistogramData): number {
  const start = openMessage(at, 0x52, metricRoom);
  let place = start;
  for (const point of points) place = writeExponentialPoint(place, point, point.exponential!);
  return closeMessage(start, writeTemporality(place, isDelta), metricRoom);
}

function writeExponentialPoint(at: number, point: HistogramPoint, exponential: ExponentialData): number {
  const { scale, zeroCount, offset, counts } = exponential;
  const start = openMessage(at, 0x0a, pointRoom);
  let place = writeAttributes(start, 0x0a, point.attributes);
  ensureRoom(place, 0);
  place = writeTimes(place, point);
  bytes[place] = 0x21;
  place = writeFixed64(place + 1, point.count);
  bytes[place] = 0x29;
  place = writeDouble(place + 1, point.sum);
  bytes[place] = 0x30;
  place = writeVarint(place + 1, zigzag(scale));
  bytes[place] = 0x39;
  place = writeFixed64(place + 1, zeroCount);
  const bucketsStart = openMessage(place, 0x42, pointRoom);
  bytes[bucketsStart] = 0x08;
  place = writeVarint(bucketsStart + 1, zigzag(offset));
  // A count up to 2^53 takes no more than eight bytes.
  ensureRoom(place, 8 * counts.length + 64);
  const listStart = openMessage(place, 0x12, pointRoom);
  place = listStart;
  for (const count of counts) place = writeInt64(place, count);
  place = closeMessage(bucketsStart, closeMessage(listStart, place, pointRoom), pointRoom);
  for (const exemplar of point.exemplars) place = writeExemplar(place, 0x5a, exemplar, false);
  return closeMessage(start, writeExtremes(place, point, 0x61, 0x69), pointRoom);
}

/** `sint32`: 0, -1, 1, -2 become 0, 1, 2, 3. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

function writeExtremes(at: number, { min, max }: HistogramPoint, minTag: number, maxTag: number): number {
  ensureRoom(at, 0);
  let place = at;
  if (min !== undefined) {
    bytes[place] = minTag;
    place = writeDouble(place + 1, min);
  }
  if (max !== undefined) {
    bytes[place] = maxTag;
    place = writeDouble(place + 1, max);
  }
  return place;
}

function writeTimes(at: number, { startUs, timeUs }: { startUs: number; timeUs: number }): number {
  bytes[at] = 0x11;
  const place = writeNanos(at + 1, startUs);
  bytes[place] = 0x19;
  return writeNanos(place + 1, timeUs);
}

/** `as_int` or `as_double`; a total of whole numbers beyond what a double holds exactly is a double. */
function writeNumber(at: number, value: number, isInt: boolean): number {
  if (isInt && Number.isSafeInteger(value)) {
    bytes[at] = 0x31;
    return writeFixed64(at + 1, value);
  }
  bytes[at] = 0x21;
  return writeDouble(at + 1, value);
}

function writeExemplar(at: number, tag: number, exemplar: Exemplar, isInt: boolean): number {
  const start = openMessage(at, tag, smallRoom);
  bytes[start] = 0x11;
  let place = writeNanos(start + 1, exemplar.timeUs);
  if (isInt && Number.isSafeInteger(exemplar.value)) {
    bytes[place] = 0x31;
    place = writeFixed64(place + 1, exemplar.value);
  } else {
    bytes[place] = 0x19;
    place = writeDouble(place + 1, exemplar.value);
  }
  place = writeHex(place, 0x22, exemplar.spanId);
  return closeMessage(start, writeHex(place, 0x2a, exemplar.traceId), smallRoom);
}

/** A whole number as sfixed64, in two halves. */
function writeFixed64(at: number, value: number): number {
  return writeFixed32(writeFixed32(at, value >>> 0), Math.floor(value / 4_294_967_296) >>> 0);
}
