import {
  batchRoom,
  bytes,
  closeMessage,
  ensureRoom,
  openMessage,
  smallRoom,
  spanRoom,
  takeBytes,
  writeDouble,
} from "../proto-writer.ts";
import { writeNumber, writePairs, writeText } from "./encode.ts";
import type { Identity } from "./identity.ts";
import type { InstanceData, LogData, MeterBucket, MeterData, StackSnapshot } from "./report-data.ts";

// What agents send beside segments: Management, Logging, Meter, ConfigurationDiscoveryService and Profile of
// skywalking-data-collect-protocol. The buffers are the caller's.

export function encodeInstance({ service, instance, properties, layer }: InstanceData): Buffer<ArrayBuffer> {
  const place = writePairs(writeIdentity(0, service, instance), 0x1a, properties);
  return takeBytes(writeText(place, 0x22, layer));
}

export function encodePing({ service, instance }: Identity, layer: string): Buffer<ArrayBuffer> {
  return takeBytes(writeText(writeIdentity(0, service, instance), 0x1a, layer));
}

export function encodeLog(log: LogData): Buffer<ArrayBuffer> {
  let place = writeNumber(0, 0x08, log.timeMs);
  place = writeText(place, 0x12, log.service);
  place = writeText(place, 0x1a, log.instance);
  place = writeText(place, 0x22, log.endpoint);
  const body = openMessage(place, 0x2a, spanRoom);
  place = writeText(body, 0x0a, "TEXT");
  const text = openMessage(place, 0x12, spanRoom);
  place = closeMessage(text, writeText(text, 0x0a, log.text), spanRoom);
  place = closeMessage(body, place, spanRoom);
  if (log.span !== undefined) {
    const span = openMessage(place, 0x32, smallRoom);
    place = writeText(writeText(span, 0x0a, log.span.traceId), 0x12, log.span.segmentId);
    place = closeMessage(span, writeNumber(place, 0x18, log.span.spanId), smallRoom);
  }
  if (log.tags.length > 0) {
    const tags = openMessage(place, 0x3a, smallRoom);
    place = closeMessage(tags, writePairs(tags, 0x0a, log.tags), smallRoom);
  }
  return takeBytes(writeText(place, 0x42, log.layer));
}

/** Each meter as a message of its own; the first one tells whose they are, and when they were read. */
export function encodeMeters(
  meters: readonly MeterData[],
  { service, instance }: Identity,
  timeMs: number,
): Buffer<ArrayBuffer>[] {
  return meters.map((meter, index) => {
    const place = writeMeter(0, meter);
    if (index > 0) return takeBytes(place);
    const named = writeText(writeText(place, 0x1a, service), 0x22, instance);
    return takeBytes(writeNumber(named, 0x28, timeMs));
  });
}

/** Messages of {@link encodeMeters} as one MeterDataCollection. */
export function collectMeters(messages: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  let at = 0;
  for (const message of messages) {
    const start = openMessage(at, 0x0a, batchRoom);
    ensureRoom(start, message.length);
    bytes.set(message, start);
    at = closeMessage(start, start + message.length, batchRoom);
  }
  return takeBytes(at);
}

function writeMeter(at: number, { name, labels, value }: MeterData): number {
  const isSingle = typeof value === "number";
  const start = openMessage(at, isSingle ? 0x0a : 0x12, smallRoom);
  let place = writePairs(writeText(start, 0x0a, name), 0x12, labels);
  if (isSingle) place = writeFloat(place, 0x19, value);
  else for (const bucket of value) place = writeBucket(place, bucket);
  return closeMessage(start, place, smallRoom);
}

function writeBucket(at: number, { from, count }: MeterBucket): number {
  const start = openMessage(at, 0x1a, smallRoom);
  const isLowest = from === Number.NEGATIVE_INFINITY;
  let place = isLowest ? start : writeFloat(start, 0x09, from);
  place = writeNumber(place, 0x10, count);
  return closeMessage(start, writeNumber(place, 0x18, isLowest ? 1 : 0), smallRoom);
}

export function encodeConfigurationRequest(service: string, uuid: string): Buffer<ArrayBuffer> {
  return takeBytes(writeText(writeText(0, 0x0a, service), 0x12, uuid));
}

export function encodeProfileQuery({ service, instance }: Identity, lastCommandMs: number): Buffer<ArrayBuffer> {
  return takeBytes(writeNumber(writeIdentity(0, service, instance), 0x18, lastCommandMs));
}

export function encodeProfileFinish({ service, instance }: Identity, taskId: string): Buffer<ArrayBuffer> {
  return takeBytes(writeText(writeIdentity(0, service, instance), 0x1a, taskId));
}

export function encodeSnapshot(snapshot: StackSnapshot): Buffer<ArrayBuffer> {
  let place = writeText(writeText(0, 0x0a, snapshot.taskId), 0x12, snapshot.segmentId);
  place = writeNumber(writeNumber(place, 0x18, snapshot.timeMs), 0x20, snapshot.sequence);
  const stack = openMessage(place, 0x2a, spanRoom);
  place = stack;
  for (const frame of snapshot.frames) place = writeText(place, 0x0a, frame);
  return takeBytes(closeMessage(stack, place, spanRoom));
}

function writeIdentity(at: number, service: string, instance: string): number {
  return writeText(writeText(at, 0x0a, service), 0x12, instance);
}

/** A double with its tag; nothing when it is zero. */
function writeFloat(at: number, tag: number, value: number): number {
  if (value === 0) return at;
  ensureRoom(at, 0);
  bytes[at] = tag;
  return writeDouble(at + 1, value);
}
