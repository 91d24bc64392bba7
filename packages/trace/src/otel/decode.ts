import { MalformedError, ProtoReader } from "../proto-reader.ts";
import { locateSpans, type SpanPlace, sliceSpans } from "./raw-span.ts";
import {
  ATTRIBUTES_OF_RESOURCE,
  KEY,
  SPAN_ATTRIBUTES,
  SPAN_END,
  SPAN_ID,
  SPAN_KIND,
  SPAN_NAME,
  SPAN_PARENT,
  SPAN_START,
  SPAN_STATUS,
  SPAN_TRACE_ID,
  STATUS_CODE,
  STRING_VALUE,
  UNKNOWN_SERVICE,
  VALUE,
} from "./span-fields.ts";

/**
 * The spans of one ExportTraceServiceRequest: the request's bytes as they came, and of every span the few columns a store
 * indexes. Row `i` of each column is the same span. Everything in it can be cloned or moved to another thread.
 */
export interface RawBatch {
  readonly request: Uint8Array;
  /** Rows: the valid spans. */
  readonly size: number;
  /** 16 bytes a row. */
  readonly traceIds: Uint8Array;
  /** 8 bytes a row. */
  readonly spanIds: Uint8Array;
  /** 8 bytes a row; all zero for a root. */
  readonly parentSpanIds: Uint8Array;
  /** Unix microseconds. */
  readonly startUs: Float64Array;
  /** Microseconds, never below 0. */
  readonly durationUs: Float64Array;
  /** SpanKind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kinds: Uint8Array;
  /** Status code: 0 unset, 1 ok, 2 error. */
  readonly statusCodes: Uint8Array;
  /** Where the row's Span message starts in `request`; {@link sliceSpans} has the views that start there. */
  readonly offsets: Uint32Array;
  /** Indices into `strings`. */
  readonly names: Uint32Array;
  readonly services: Uint32Array;
  /** Like "GET /v1/users/1", of server spans and roots that say so; 0, the empty string, for the others. */
  readonly paths: Uint32Array;
  /** Each distinct string once; the first is empty. */
  readonly strings: readonly string[];
  /** Spans left out because their ids are invalid. */
  readonly rejected: number;
  /** Why, for the sender; empty when none was. */
  readonly message: string;
}

const SERVER = 2;

/**
 * Reads the columns of a request and nothing else; a tenth of the work of decoding it. A span whose trace or span id has a
 * wrong length or is all zero is rejected and counted, the others stay. Throws {@link MalformedError} when the bytes are not
 * the message they should be. The batch keeps `request`.
 */
export function decodeRequest(request: Uint8Array): RawBatch {
  const { spans, resources } = locateSpans(request);
  const reader = new ProtoReader(request);
  const strings = [""];
  const indices = new Map<string, number>([["", 0]]);
  const intern = (value: string): number => {
    let index = indices.get(value);
    if (index === undefined) {
      index = strings.push(value) - 1;
      indices.set(value, index);
    }
    return index;
  };
  const serviceOf = resources.map(({ start, end }) => intern(readServiceName(reader, start, end)));

  const count = spans.length;
  const traceIds = new Uint8Array(count * 16);
  const spanIds = new Uint8Array(count * 8);
  const parentSpanIds = new Uint8Array(count * 8);
  const startUs = new Float64Array(count);
  const durationUs = new Float64Array(count);
  const kinds = new Uint8Array(count);
  const statusCodes = new Uint8Array(count);
  const offsets = new Uint32Array(count);
  const names = new Uint32Array(count);
  const services = new Uint32Array(count);
  const paths = new Uint32Array(count);
  const row = createRow();
  let size = 0;
  let message = "";
  for (const place of spans) {
    readRow(reader, place, row);
    const fault = idFault(reader.bytes, row);
    if (fault !== "") {
      if (message === "") message = `${fault}, in the span at byte ${place.start}`;
      continue;
    }
    copy(reader.bytes, row.traceId, traceIds, size * 16, 16);
    copy(reader.bytes, row.spanId, spanIds, size * 8, 8);
    const hasParent = isId(reader.bytes, row.parent, row.parentEnd, 8);
    if (hasParent) copy(reader.bytes, row.parent, parentSpanIds, size * 8, 8);
    startUs[size] = row.startUs;
    durationUs[size] = Math.max(0, row.endUs - row.startUs);
    kinds[size] = row.kind;
    statusCodes[size] = row.status;
    offsets[size] = place.start;
    names[size] = intern(reader.bytes.toString("utf8", row.name, row.nameEnd));
    services[size] = serviceOf[place.resource]!;
    if (row.attributes >= 0 && (row.kind === SERVER || !hasParent)) {
      paths[size] = intern(readPath(reader, row.attributes, place.end));
    }
    size++;
  }
  return {
    request,
    size,
    traceIds: traceIds.subarray(0, size * 16),
    spanIds: spanIds.subarray(0, size * 8),
    parentSpanIds: parentSpanIds.subarray(0, size * 8),
    startUs: startUs.subarray(0, size),
    durationUs: durationUs.subarray(0, size),
    kinds: kinds.subarray(0, size),
    statusCodes: statusCodes.subarray(0, size),
    offsets: offsets.subarray(0, size),
    names: names.subarray(0, size),
    services: services.subarray(0, size),
    paths: paths.subarray(0, size),
    strings,
    rejected: count - size,
    message,
  };
}

/** One span's columns while they are read: places in the request, and numbers. One object serves all rows. */
interface Row {
  traceId: number;
  traceIdEnd: number;
  spanId: number;
  spanIdEnd: number;
  parent: number;
  parentEnd: number;
  name: number;
  nameEnd: number;
  kind: number;
  startUs: number;
  endUs: number;
  status: number;
  /** Where the first attribute's tag stands; -1 when there is none. */
  attributes: number;
}

function createRow(): Row {
  return {
    traceId: 0,
    traceIdEnd: 0,
    spanId: 0,
    spanIdEnd: 0,
    parent: 0,
    parentEnd: 0,
    name: 0,
    nameEnd: 0,
    kind: 0,
    startUs: 0,
    endUs: 0,
    status: 0,
    attributes: -1,
  };
}

function readRow(reader: ProtoReader, place: SpanPlace, row: Row): void {
  Object.assign(row, emptyRow);
  reader.at = place.start;
  reader.end = place.end;
  while (reader.at < reader.end) {
    const fieldStart = reader.at;
    reader.next();
    switch (reader.tag) {
      case SPAN_TRACE_ID:
        row.traceIdEnd = reader.length();
        row.traceId = reader.at;
        reader.at = row.traceIdEnd;
        break;
      case SPAN_ID:
        row.spanIdEnd = reader.length();
        row.spanId = reader.at;
        reader.at = row.spanIdEnd;
        break;
      case SPAN_PARENT:
        row.parentEnd = reader.length();
        row.parent = reader.at;
        reader.at = row.parentEnd;
        break;
      case SPAN_NAME:
        row.nameEnd = reader.length();
        row.name = reader.at;
        reader.at = row.nameEnd;
        break;
      case SPAN_KIND:
        row.kind = reader.varint();
        break;
      case SPAN_START:
        row.startUs = reader.nanosAsMicros();
        break;
      case SPAN_END:
        row.endUs = reader.nanosAsMicros();
        break;
      case SPAN_STATUS: {
        const outer = reader.enter();
        row.status = readStatusCode(reader);
        reader.leave(outer);
        break;
      }
      case SPAN_ATTRIBUTES:
        if (row.attributes < 0) row.attributes = fieldStart;
        reader.skip();
        break;
      default:
        reader.skip();
    }
  }
}

const emptyRow: Row = createRow();

function readStatusCode(reader: ProtoReader): number {
  let code = 0;
  while (reader.next()) {
    if (reader.tag === STATUS_CODE) code = reader.varint();
    else reader.skip();
  }
  return code;
}

function idFault(bytes: Uint8Array, row: Row): string {
  if (!isId(bytes, row.traceId, row.traceIdEnd, 16)) return "a trace id must be 16 bytes, not all zero";
  if (!isId(bytes, row.spanId, row.spanIdEnd, 8)) return "a span id must be 8 bytes, not all zero";
  return "";
}

function isId(bytes: Uint8Array, start: number, end: number, length: number): boolean {
  if (end - start !== length) return false;
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return true;
  return false;
}

function copy(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
}

function readServiceName(reader: ProtoReader, start: number, end: number): string {
  let name = "";
  eachAttribute(reader, start, end, ATTRIBUTES_OF_RESOURCE, (key, value) => {
    if (key === "service.name") name = value;
  });
  return name || UNKNOWN_SERVICE;
}

/** "GET /v1/users/1" from the attributes of the semantic conventions, the stable names and the ones before them, and of Zipkin's. */
function readPath(reader: ProtoReader, start: number, end: number): string {
  let method = "";
  let target = "";
  eachAttribute(reader, start, end, SPAN_ATTRIBUTES, (key, value) => {
    switch (key) {
      case "http.request.method":
      case "http.method":
        method = value;
        break;
      case "url.path":
      case "http.path":
      case "http.target":
        target = value;
        break;
      case "url.full":
      case "http.url":
        if (target === "" && URL.canParse(value)) target = new URL(value).pathname;
        break;
    }
  });
  if (target === "") return "";
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  return method === "" ? path : `${method} ${path}`;
}

/** Calls `use` with the attributes of a message that are strings, others left out; `tag` is their field. */
function eachAttribute(
  reader: ProtoReader,
  start: number,
  end: number,
  tag: number,
  use: (key: string, value: string) => void,
): void {
  reader.at = start;
  reader.end = end;
  while (reader.next()) {
    if (reader.tag !== tag) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let key = "";
    let value: string | undefined;
    while (reader.next()) {
      if (reader.tag === KEY) {
        key = reader.string();
      } else if (reader.tag === VALUE) {
        const outerValue = reader.enter();
        while (reader.next()) {
          if (reader.tag === STRING_VALUE) value = reader.string();
          else reader.skip();
        }
        reader.leave(outerValue);
      } else {
        reader.skip();
      }
    }
    reader.leave(outer);
    if (value !== undefined) use(key, value);
  }
}
