import type { SpanKind } from "@opentelemetry/api";
import type { FlatAttributes } from "../attributes.ts";
import {
  bytes,
  ensureRoom,
  openMessage,
  spanRoom,
  writeHex,
  writeHexDigits,
  writeNanos,
  writeRaw,
} from "../proto-writer.ts";
import { contextOf } from "../span.ts";
import type { SpanData } from "../span-data.ts";
import { writeAttributes, writeText } from "./otlp-writer.ts";

// Where the ids are: behind the span's own tag and length, each with a tag and a length before it.
const traceIdAt = 1 + spanRoom + 2;
const spanIdAt = traceIdAt + 16 + 2;
const parentIdAt = spanIdAt + 8 + 2;

/**
 * How spans of one kind begin in OTLP, up to the last of the attributes that they share: written for the first of them and copied for
 * the others, with their own ids and times put in.
 *
 *     12 __ __  0a 10 trace id  12 08 span id  [22 08 parent]  2a name  30 kind  39 start  41 end  4a attribute ...
 */
export class SpanHead {
  readonly #name: string;
  readonly #kind: SpanKind;
  readonly #hasParent: boolean;
  readonly #fields: Uint8Array;
  readonly #startAt: number;
  readonly #attributes: Uint8Array;

  /** Writes the fields of `span` at `at` and copies them; nothing of it is to stay there. */
  constructor(at: number, span: SpanData, shared: FlatAttributes) {
    this.#name = span.name;
    this.#kind = span.kind;
    this.#hasParent = span.parentSpanId !== "";
    const attributesAt = writeBeginning(at, { ...span, traceState: "" });
    const end = writeAttributes(attributesAt, 0x4a, shared);
    this.#fields = Uint8Array.from(bytes.subarray(at, end));
    this.#attributes = this.#fields.subarray(attributesAt - at);
    // The start, a tag, and the end.
    this.#startAt = attributesAt - at - 17;
  }

  write(at: number, span: SpanData): number {
    if (!this.#fits(span)) return writeRaw(writeBeginning(at, span), this.#attributes);
    const end = writeRaw(at, this.#fields);
    const context = contextOf(span);
    if (context === undefined) {
      writeHexDigits(at + traceIdAt, span.traceId);
      writeHexDigits(at + spanIdAt, span.spanId);
    } else {
      context.writeIds(at + traceIdAt, at + spanIdAt);
    }
    if (this.#hasParent) writeHexDigits(at + parentIdAt, span.parentSpanId);
    writeNanos(at + this.#startAt, span.startUs);
    writeNanos(at + this.#startAt + 9, span.endUs);
    return end;
  }

  /** Whether another one begins with the same fields. */
  #fits({ name, kind, parentSpanId, traceState }: SpanData): boolean {
    return name === this.#name && kind === this.#kind && (parentSpanId !== "") === this.#hasParent && traceState === "";
  }
}

/** A span's fields before its attributes. */
export function writeBeginning(at: number, span: SpanData): number {
  // Whatever has a fixed length.
  ensureRoom(at, 128);
  let place = writeHex(openMessage(at, 0x12, spanRoom), 0x0a, span.traceId);
  place = writeHex(place, 0x12, span.spanId);
  place = writeText(place, 0x1a, span.traceState);
  if (span.parentSpanId !== "") place = writeHex(place, 0x22, span.parentSpanId);
  place = writeText(place, 0x2a, span.name);
  bytes[place] = 0x30;
  bytes[place + 1] = span.kind + 1;
  bytes[place + 2] = 0x39;
  place = writeNanos(place + 3, span.startUs);
  bytes[place] = 0x41;
  return writeNanos(place + 1, span.endUs);
}
