import {
  bytes,
  closeMessage,
  openMessage,
  smallRoom,
  spanRoom,
  writeFixed32,
  writeHex,
  writeNanos,
} from "../proto-writer.ts";
import { hasAllAttributes, sharedOf } from "../span.ts";
import type { EventData, LinkData, SpanData } from "../span-data.ts";
import { writeAttributes, writeCount, writeText } from "./otlp-writer.ts";
import { SpanHead, writeBeginning } from "./span-head.ts";

/** Writes a span as a field of ScopeSpans. What many spans have in common was written for the first of them. */
export function writeSpan(at: number, span: SpanData): number {
  const shared = sharedOf(span);
  let place: number;
  if (shared === undefined) {
    place = writeAttributes(writeBeginning(at, span), 0x4a, span.attributes);
  } else {
    shared.otlp ??= new SpanHead(at, span, shared.flat);
    place = (shared.otlp as SpanHead).write(at, span);
    place = writeAttributes(place, 0x4a, span.attributes, hasAllAttributes(span) ? shared.flat.length : 0);
  }
  place = writeCount(place, 0x50, span.droppedAttributes);
  for (const event of span.events) place = writeEvent(place, event);
  place = writeCount(place, 0x60, span.droppedEvents);
  for (const link of span.links) place = writeLink(place, link);
  place = writeCount(place, 0x70, span.droppedLinks);
  if (span.statusCode !== 0) place = writeStatus(place, span);
  // Field 16: the first whose tag takes two bytes.
  bytes[place] = 0x85;
  bytes[place + 1] = 0x01;
  const end = writeFlags(place + 2, span.traceFlags, span.isParentRemote);
  return closeMessage(at + 1 + spanRoom, end, spanRoom);
}

/** The W3C flags, "it is known whether the other end is remote", and whether it is. */
function writeFlags(at: number, traceFlags: number, isRemote: boolean): number {
  return writeFixed32(at, (traceFlags & 0xff) | 0x100 | (isRemote ? 0x200 : 0));
}

function writeEvent(at: number, event: EventData): number {
  const start = openMessage(at, 0x5a, smallRoom);
  bytes[start] = 0x09;
  let place = writeNanos(start + 1, event.timeUs);
  place = writeText(place, 0x12, event.name);
  place = writeAttributes(place, 0x1a, event.attributes);
  return closeMessage(start, writeCount(place, 0x20, event.droppedAttributes), smallRoom);
}

function writeLink(at: number, link: LinkData): number {
  const start = openMessage(at, 0x6a, smallRoom);
  let place = writeHex(start, 0x0a, link.traceId);
  place = writeHex(place, 0x12, link.spanId);
  place = writeText(place, 0x1a, link.traceState);
  place = writeAttributes(place, 0x22, link.attributes);
  place = writeCount(place, 0x28, link.droppedAttributes);
  bytes[place] = 0x35;
  return closeMessage(start, writeFlags(place + 1, link.traceFlags, link.isRemote), smallRoom);
}

function writeStatus(at: number, span: SpanData): number {
  const start = openMessage(at, 0x7a, smallRoom);
  const place = writeText(start, 0x12, span.statusMessage);
  bytes[place] = 0x18;
  bytes[place + 1] = span.statusCode;
  return closeMessage(start, place + 2, smallRoom);
}
