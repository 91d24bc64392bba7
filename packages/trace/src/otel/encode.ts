import {
  bytes,
  ensureRoom,
  Target,
  takeBytes,
  varintSize,
  writeBytes,
  writeInto,
  writeVarint,
} from "../proto-writer.ts";
import type { Resource } from "../resource.ts";
import type { Scope, SpanData } from "../span-data.ts";
import type { EncodedBatch } from "../span-exporter.ts";
import { encodeResource, encodeScope, writeText } from "./otlp-writer.ts";
import { writeSpan } from "./write-span.ts";

// ExportTraceServiceRequest of OTLP v1.11, opentelemetry/proto/collector/trace/v1/trace_service.proto and below.

/** Spans as an ExportTraceServiceRequest, together under their resources and scopes. The buffer is the caller's. */
export function encodeRequest(spans: readonly SpanData[]): Buffer<ArrayBuffer> {
  const batch = new SpanBatch();
  for (const span of spans) batch.add(span);
  const request = Buffer.concat(batch.toPieces());
  batch.release();
  return request;
}

// Where batches write their spans, one behind the other. A buffer of this size that has been read is written again: it is in the
// processor's caches still, and it need not be collected. With fresh ones tracing a request cost 1 us more (`npm run bench -- parts`).
const slabBytes = 131_072;
/** Most spans are shorter. A longer one at the end of a slab makes it grow. */
const usualBytes = 1024;
const maxFreeSlabs = 8;
const freeSlabs: Target[] = [];

/** Spans of one scope, one behind the other. */
interface Run {
  readonly resource: Resource;
  readonly scope: Scope;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly start: number;
  end: number;
}

/**
 * Spans of an ExportTraceServiceRequest, each written when it is added. A span that just ended is in the processor's caches; half a
 * thousand requests later writing it takes several times as long, for waiting on memory.
 */
export class SpanBatch implements EncodedBatch {
  readonly #runs: Run[] = [];
  #lastRun: Run | undefined;
  readonly #slabs: Target[] = [];
  #slab: Target | undefined;
  /** Where the last span begins and ends. */
  #start = 0;
  #end = 0;
  #length = 0;
  #byteLength = 0;

  get length(): number {
    return this.#length;
  }

  /** Without what stands around the spans. */
  get byteLength(): number {
    return this.#byteLength;
  }

  add(span: SpanData): void {
    let slab = this.#slab;
    if (slab === undefined || this.#end + usualBytes > slab.bytes.length) slab = this.#takeSlab();
    const start = this.#end;
    const before = writeInto(slab);
    try {
      this.#end = writeSpan(start, span);
    } finally {
      // Another one, when it had to grow.
      slab = writeInto(before);
      this.#slab = slab;
    }
    this.#append(span.resource, span.scope, slab.bytes, start, this.#end);
  }

  splitLast(): SpanBatch {
    const rest = new SpanBatch();
    const run = this.#lastRun!;
    const fields = new Uint8Array(run.bytes.subarray(this.#start, this.#end));
    rest.#append(run.resource, run.scope, fields, 0, fields.length);
    run.end = this.#start;
    this.#end = this.#start;
    this.#length--;
    this.#byteLength -= fields.length;
    return rest;
  }

  /** The request, in pieces that follow one another. What stands in the batch is not copied: nobody may change it. */
  toPieces(): Uint8Array<ArrayBuffer>[] {
    const resources = new Map<Resource, Map<Scope, Uint8Array<ArrayBuffer>[]>>();
    for (const { resource, scope, bytes, start, end } of this.#runs) {
      const scopes = resources.get(resource) ?? new Map<Scope, Uint8Array<ArrayBuffer>[]>();
      resources.set(resource, scopes);
      const spans = scopes.get(scope) ?? [];
      scopes.set(scope, spans);
      spans.push(bytes.subarray(start, end));
    }
    return [...resources].flatMap(([resource, scopes]) => {
      const content = [...scopes].flatMap(([scope, spans]) => frame(0x12, encodeScope(scope), spans, scope.schemaUrl));
      return frame(0x0a, encodeResource(resource), content, resource.schemaUrl);
    });
  }

  release(): void {
    const room = maxFreeSlabs - freeSlabs.length;
    freeSlabs.push(...this.#slabs.splice(0, room));
    this.#slab = undefined;
  }

  #takeSlab(): Target {
    const slab = freeSlabs.pop() ?? new Target(slabBytes);
    this.#slabs.push(slab);
    this.#end = 0;
    return slab;
  }

  #append(resource: Resource, scope: Scope, bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const last = this.#lastRun;
    if (last !== undefined && last.bytes === bytes && last.scope === scope && last.resource === resource) {
      last.end = end;
    } else {
      this.#lastRun = { resource, scope, bytes, start, end };
      this.#runs.push(this.#lastRun);
    }
    this.#start = start;
    this.#length++;
    this.#byteLength += end - start;
  }
}

/** ResourceSpans or ScopeSpans: whose spans they are, what is in it in pieces, and the schema. */
function frame(
  tag: number,
  owner: Uint8Array,
  content: readonly Uint8Array<ArrayBuffer>[],
  schemaUrl: string,
): Uint8Array<ArrayBuffer>[] {
  const tail = schemaUrl === "" ? [] : [takeBytes(writeText(0, 0x1a, schemaUrl))];
  let size = 1 + varintSize(owner.length) + owner.length;
  for (const { length } of content) size += length;
  for (const { length } of tail) size += length;
  ensureRoom(0, 16);
  bytes[0] = tag;
  const head = takeBytes(writeBytes(writeVarint(1, size), 0x0a, owner));
  return [head, ...content, ...tail];
}
