import type { LineLevel, PlainFields } from "@clew/log";
import type { Resource } from "@clew/trace";
import {
  attributesAsJson,
  bytes,
  closeMessage,
  encodeResource,
  encodeScope,
  ensureRoom,
  fieldAsJson,
  nanosAsJson,
  openMessage,
  scopeAsJson,
  takeBytes,
  textAsJson,
  writeAttributes,
  writeBytes,
  writeFixed32,
  writeHex,
  writeNanos,
  writeString,
  writeText,
  writeValue,
} from "@clew/trace/otlp-writer";

// ExportLogsServiceRequest of OTLP v1.11, opentelemetry/proto/collector/logs/v1/logs_service.proto and below.

/** One log line. */
export interface LogRecord {
  /** Unix microseconds. */
  readonly timeUs: number;
  readonly level: LineLevel;
  readonly message: string;
  readonly fields: Readonly<PlainFields>;
  /** 32 hex digits; empty outside of any span, like the other fields of a span. */
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

/** OTLP's numbers for levels: the first of each range of four. */
const severities: Readonly<Record<LineLevel, number>> = { debug: 5, info: 9, warn: 13, error: 17 };

const scope = { name: "@clew/log", version: "", schemaUrl: "" };

const recordRoom = 2;
const allRoom = 3;

/** Encodes lines as an ExportLogsServiceRequest. The caller owns the buffer. */
export function encodeLogs(resource: Resource, records: readonly LogRecord[]): Buffer<ArrayBuffer> {
  // Encoded first, because they use the same buffer.
  const resourceBytes = encodeResource(resource);
  const scopeBytes = encodeScope(scope);
  const start = openMessage(0, 0x0a, allRoom);
  const scopeStart = openMessage(writeBytes(start, 0x0a, resourceBytes), 0x12, allRoom);
  let place = writeBytes(scopeStart, 0x0a, scopeBytes);
  for (const record of records) place = writeRecord(place, record);
  place = closeMessage(scopeStart, place, allRoom);
  return takeBytes(closeMessage(start, writeText(place, 0x1a, resource.schemaUrl), allRoom));
}

function writeRecord(at: number, record: LogRecord): number {
  // Room for all fields of fixed length.
  ensureRoom(at, 128);
  const start = openMessage(at, 0x12, recordRoom);
  bytes[start] = 0x09;
  let place = writeNanos(start + 1, record.timeUs);
  bytes[place] = 0x10;
  bytes[place + 1] = severities[record.level];
  place = writeString(place + 2, 0x1a, record.level.toUpperCase());
  place = writeValue(place, 0x2a, record.message);
  place = writeAttributes(place, 0x32, toAttributes(record.fields));
  ensureRoom(place, 64);
  if (record.traceId !== "") {
    bytes[place] = 0x45;
    place = writeFixed32(place + 1, record.traceFlags & 0xff);
    place = writeHex(place, 0x4a, record.traceId);
    place = writeHex(place, 0x52, record.spanId);
  }
  bytes[place] = 0x59;
  return closeMessage(start, writeNanos(place + 1, record.timeUs), recordRoom);
}

function toAttributes(fields: Readonly<PlainFields>) {
  return Object.entries(fields).flat();
}

/** Encodes lines as the JSON of an ExportLogsServiceRequest. */
export function encodeLogsAsJson(resource: Resource, records: readonly LogRecord[]): string {
  const head = `{"resourceLogs":[{"resource":{"attributes":${attributesAsJson(resource.attributes)}}`;
  const logs = `{"scope":${scopeAsJson(scope)},"logRecords":[${records.map(toRecord).join(",")}]}`;
  return `${head},"scopeLogs":[${logs}]${fieldAsJson("schemaUrl", resource.schemaUrl)}}]}`;
}

function toRecord({ timeUs, level, message, fields, traceId, spanId, traceFlags }: LogRecord): string {
  const time = nanosAsJson(timeUs);
  const span = traceId === "" ? "" : `,"flags":${traceFlags & 0xff},"traceId":"${traceId}","spanId":"${spanId}"`;
  const text = `"severityNumber":${severities[level]},"severityText":"${level.toUpperCase()}","body":{"stringValue":${textAsJson(message)}}`;
  const attributes = `"attributes":${attributesAsJson(toAttributes(fields))}`;
  return `{"timeUnixNano":"${time}","observedTimeUnixNano":"${time}",${text},${attributes}${span}}`;
}
