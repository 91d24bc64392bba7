import {
  batchRoom,
  bytes,
  closeMessage,
  ensureRoom,
  openMessage,
  smallRoom,
  spanRoom,
  takeBytes,
  writeInt64,
  writeString,
} from "../proto-writer.ts";
import type { LogEntry, ReferenceData, SegmentData, SegmentSpan } from "./segment-data.ts";

// SegmentObject of skywalking-data-collect-protocol, language-agent/Tracing.proto.

/** A segment as a SegmentObject. The buffer is the caller's. */
export function encodeSegment(segment: SegmentData): Buffer<ArrayBuffer> {
  return takeBytes(writeSegment(0, segment));
}

/** Several as a SegmentCollection, for `collectInSync`. */
export function encodeSegments(segments: readonly SegmentData[]): Buffer<ArrayBuffer> {
  let at = 0;
  for (const segment of segments) {
    const start = openMessage(at, 0x0a, batchRoom);
    at = closeMessage(start, writeSegment(start, segment), batchRoom);
  }
  return takeBytes(at);
}

function writeSegment(at: number, segment: SegmentData): number {
  let place = writeText(at, 0x0a, segment.traceId);
  place = writeText(place, 0x12, segment.segmentId);
  for (const span of segment.spans) place = writeSpan(place, span);
  place = writeText(place, 0x22, segment.service);
  place = writeText(place, 0x2a, segment.instance);
  return writeNumber(place, 0x30, segment.isSizeLimited ? 1 : 0);
}

function writeSpan(at: number, span: SegmentSpan): number {
  const start = openMessage(at, 0x1a, spanRoom);
  let place = writeNumber(start, 0x08, span.spanId);
  place = writeNumber(place, 0x10, span.parentSpanId);
  place = writeNumber(place, 0x18, span.startMs);
  place = writeNumber(place, 0x20, span.endMs);
  for (const reference of span.references) place = writeReference(place, reference);
  place = writeText(place, 0x32, span.operation);
  place = writeText(place, 0x3a, span.peer);
  place = writeNumber(place, 0x40, span.type);
  place = writeNumber(place, 0x48, span.layer);
  place = writeNumber(place, 0x50, span.componentId);
  place = writeNumber(place, 0x58, span.isError ? 1 : 0);
  place = writePairs(place, 0x62, span.tags);
  for (const log of span.logs) place = writeLog(place, log);
  return closeMessage(start, writeNumber(place, 0x70, span.skipAnalysis ? 1 : 0), spanRoom);
}

function writeReference(at: number, reference: ReferenceData): number {
  const start = openMessage(at, 0x2a, spanRoom);
  let place = writeNumber(start, 0x08, reference.type);
  place = writeText(place, 0x12, reference.traceId);
  place = writeText(place, 0x1a, reference.parentSegmentId);
  place = writeNumber(place, 0x20, reference.parentSpanId);
  place = writeText(place, 0x2a, reference.parentService);
  place = writeText(place, 0x32, reference.parentInstance);
  place = writeText(place, 0x3a, reference.parentEndpoint);
  return closeMessage(start, writeText(place, 0x42, reference.address), spanRoom);
}

function writeLog(at: number, log: LogEntry): number {
  const start = openMessage(at, 0x6a, smallRoom);
  return closeMessage(start, writePairs(writeNumber(start, 0x08, log.timeMs), 0x12, log.data), smallRoom);
}

/** KeyStringValuePair, key 1 and value 2, as often as there are pairs. */
export function writePairs(at: number, tag: number, pairs: readonly string[]): number {
  let place = at;
  for (let index = 0; index < pairs.length; index += 2) {
    const start = openMessage(place, tag, smallRoom);
    place = closeMessage(start, writeText(writeText(start, 0x0a, pairs[index]!), 0x12, pairs[index + 1]!), smallRoom);
  }
  return place;
}

/** A string field with its tag; nothing when it is empty, as proto3 has it. */
export function writeText(at: number, tag: number, text: string): number {
  return text === "" ? at : writeString(at, tag, text);
}

/** A whole number with its tag; nothing when it is zero. A negative one takes ten bytes. */
export function writeNumber(at: number, tag: number, value: number): number {
  if (value === 0) return at;
  ensureRoom(at, 0);
  bytes[at] = tag;
  return writeInt64(at + 1, value);
}
