import { LENGTH, ProtoReader, readMessage, VARINT } from "../proto-reader.ts";
import type {
  LogEntry,
  ReferenceData,
  ReferenceType,
  SegmentData,
  SegmentSpan,
  SpanLayer,
  SpanType,
} from "./segment-data.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const length = (field: number): number => field * 8 + LENGTH;
const varint = (field: number): number => field * 8 + VARINT;

/** Reads a SegmentObject. @throws MalformedError when it is none. */
export function decodeSegment(bytes: Uint8Array): SegmentData {
  return readSegment(new ProtoReader(bytes));
}

/** Splits a SegmentCollection into its SegmentObjects, which may be malformed one by one. @throws MalformedError when it is none. */
export function sliceSegments(bytes: Uint8Array): Uint8Array[] {
  const reader = new ProtoReader(bytes);
  const slices: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.tag === length(1)) slices.push(reader.slice());
    else reader.skip();
  }
  return slices;
}

function readSegment(reader: ProtoReader): SegmentData {
  const spans: SegmentSpan[] = [];
  const segment: Mutable<SegmentData> = {
    traceId: "",
    segmentId: "",
    spans,
    service: "",
    instance: "",
    isSizeLimited: false,
  };
  while (reader.next()) {
    if (reader.tag === length(1)) segment.traceId = reader.string();
    else if (reader.tag === length(2)) segment.segmentId = reader.string();
    else if (reader.tag === length(3)) spans.push(readMessage(reader, readSpan));
    else if (reader.tag === length(4)) segment.service = reader.string();
    else if (reader.tag === length(5)) segment.instance = reader.string();
    else if (reader.tag === varint(6)) segment.isSizeLimited = reader.varint() !== 0;
    else reader.skip();
  }
  return segment;
}

function readSpan(reader: ProtoReader): SegmentSpan {
  const references: ReferenceData[] = [];
  const tags: string[] = [];
  const logs: LogEntry[] = [];
  const span: Mutable<SegmentSpan> = {
    spanId: 0,
    parentSpanId: 0,
    startMs: 0,
    endMs: 0,
    references,
    operation: "",
    peer: "",
    type: 0,
    layer: 0,
    componentId: 0,
    isError: false,
    tags,
    logs,
    skipAnalysis: false,
  };
  while (reader.next()) {
    if (reader.tag === varint(1)) span.spanId = readNumber(reader);
    else if (reader.tag === varint(2)) span.parentSpanId = readNumber(reader);
    else if (reader.tag === varint(3)) span.startMs = readNumber(reader);
    else if (reader.tag === varint(4)) span.endMs = readNumber(reader);
    else if (reader.tag === length(5)) references.push(readMessage(reader, readReference));
    else if (reader.tag === length(6)) span.operation = reader.string();
    else if (reader.tag === length(7)) span.peer = reader.string();
    else if (reader.tag === varint(8)) span.type = readNumber(reader) as SpanType;
    else if (reader.tag === varint(9)) span.layer = readNumber(reader) as SpanLayer;
    else if (reader.tag === varint(10)) span.componentId = readNumber(reader);
    else if (reader.tag === varint(11)) span.isError = reader.varint() !== 0;
    else if (reader.tag === length(12)) tags.push(...readMessage(reader, readPair));
    else if (reader.tag === length(13)) logs.push(readMessage(reader, readLog));
    else if (reader.tag === varint(14)) span.skipAnalysis = reader.varint() !== 0;
    else reader.skip();
  }
  return span;
}

function readReference(reader: ProtoReader): ReferenceData {
  const reference: Mutable<ReferenceData> = {
    type: 0,
    traceId: "",
    parentSegmentId: "",
    parentSpanId: 0,
    parentService: "",
    parentInstance: "",
    parentEndpoint: "",
    address: "",
  };
  while (reader.next()) {
    if (reader.tag === varint(1)) reference.type = readNumber(reader) as ReferenceType;
    else if (reader.tag === length(2)) reference.traceId = reader.string();
    else if (reader.tag === length(3)) reference.parentSegmentId = reader.string();
    else if (reader.tag === varint(4)) reference.parentSpanId = readNumber(reader);
    else if (reader.tag === length(5)) reference.parentService = reader.string();
    else if (reader.tag === length(6)) reference.parentInstance = reader.string();
    else if (reader.tag === length(7)) reference.parentEndpoint = reader.string();
    else if (reader.tag === length(8)) reference.address = reader.string();
    else reader.skip();
  }
  return reference;
}

function readLog(reader: ProtoReader): LogEntry {
  const data: string[] = [];
  let timeMs = 0;
  while (reader.next()) {
    if (reader.tag === varint(1)) timeMs = readNumber(reader);
    else if (reader.tag === length(2)) data.push(...readMessage(reader, readPair));
    else reader.skip();
  }
  return { timeMs, data };
}

/** A KeyStringValuePair. */
export function readPair(reader: ProtoReader): [key: string, value: string] {
  const pair: [string, string] = ["", ""];
  while (reader.next()) {
    if (reader.tag === length(1)) pair[0] = reader.string();
    else if (reader.tag === length(2)) pair[1] = reader.string();
    else reader.skip();
  }
  return pair;
}

function readNumber(reader: ProtoReader): number {
  return Number(reader.int64());
}
