import { LENGTH, ProtoReader } from "./proto-reader.ts";
import { varintSize, writeVarint } from "./proto-writer.ts";

/** One span as it came, with what it shares with its neighbours. The bytes are views into the request. */
export interface RawSpan {
  /** A Resource message; empty when the sender gave none. */
  readonly resource: Uint8Array;
  /** An InstrumentationScope message; empty when the sender gave none. */
  readonly scope: Uint8Array;
  /** A Span message. */
  readonly span: Uint8Array;
}

/** Where a span lies in a request: the bytes of its Span message, and whose it is. */
export interface SpanPlace {
  readonly start: number;
  readonly end: number;
  /** Index into {@link SpanPlaces.resources}. */
  readonly resource: number;
  /** Index into {@link SpanPlaces.scopes}. */
  readonly scope: number;
}

export interface SpanPlaces {
  readonly spans: SpanPlace[];
  readonly resources: { readonly start: number; readonly end: number }[];
  readonly scopes: { readonly start: number; readonly end: number }[];
}

// ExportTraceServiceRequest.resource_spans, ResourceSpans.resource, ScopeSpans.scope: field 1.
// ResourceSpans.scope_spans, ScopeSpans.spans: field 2.
const ONE = (1 << 3) | LENGTH;
const TWO = (2 << 3) | LENGTH;

/**
 * Splits an ExportTraceServiceRequest (OTLP v1.11) into its spans, in the order they came, without reading them.
 * Throws {@link MalformedError}.
 */
export function locateSpans(request: Uint8Array): SpanPlaces {
  const reader = new ProtoReader(request);
  const places: SpanPlaces = { spans: [], resources: [], scopes: [] };
  while (reader.next()) {
    if (reader.tag !== ONE) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    locateResourceSpans(reader, places);
    reader.leave(outer);
  }
  return places;
}

function locateResourceSpans(reader: ProtoReader, places: SpanPlaces): void {
  const { resources } = places;
  // Fields come in any order: the resource may stand behind the spans it describes.
  const resource = resources.push({ start: 0, end: 0 }) - 1;
  while (reader.next()) {
    if (reader.tag === ONE) {
      const end = reader.length();
      resources[resource] = { start: reader.at, end };
      reader.at = end;
    } else if (reader.tag === TWO) {
      const outer = reader.enter();
      locateScopeSpans(reader, places, resource);
      reader.leave(outer);
    } else {
      reader.skip();
    }
  }
}

function locateScopeSpans(reader: ProtoReader, places: SpanPlaces, resource: number): void {
  const { scopes, spans } = places;
  const scope = scopes.push({ start: 0, end: 0 }) - 1;
  while (reader.next()) {
    if (reader.tag === ONE) {
      const end = reader.length();
      scopes[scope] = { start: reader.at, end };
      reader.at = end;
    } else if (reader.tag === TWO) {
      const end = reader.length();
      spans.push({ start: reader.at, end, resource, scope });
      reader.at = end;
    } else {
      reader.skip();
    }
  }
}

/** The raw spans of a request. Spans of one resource share one `resource` view, and so with scopes. */
export function sliceSpans(request: Uint8Array): RawSpan[] {
  const { spans, resources, scopes } = locateSpans(request);
  const resourceViews = resources.map(({ start, end }) => request.subarray(start, end));
  const scopeViews = scopes.map(({ start, end }) => request.subarray(start, end));
  return spans.map(({ start, end, resource, scope }) => ({
    resource: resourceViews[resource]!,
    scope: scopeViews[scope]!,
    span: request.subarray(start, end),
  }));
}

/**
 * Writes raw spans as one ExportTraceServiceRequest: the way back from {@link sliceSpans}. Neighbours that share a resource
 * view, or a scope view, share it in the result too.
 */
export function joinSpans(spans: readonly RawSpan[]): Uint8Array {
  const resources = groupBy(spans, (span) => span.resource).map(([resource, ofResource]) => {
    const scopes = groupBy(ofResource, (span) => span.scope).map(([scope, ofScope]) => {
      const fields = ofScope.map((span) => ({ tag: TWO, parts: [span.span], size: span.span.length }));
      return message(TWO, scope, fields);
    });
    return message(ONE, resource, scopes);
  });
  const size = resources.reduce((sum, field) => sum + fieldSize(field.size), 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const field of resources) at = writeField(bytes, at, field);
  return bytes;
}

/** A length-delimited field: what is in it, measured once. */
interface Field {
  readonly tag: number;
  readonly parts: readonly (Uint8Array | Field)[];
  readonly size: number;
}

function message(tag: number, head: Uint8Array, fields: readonly Field[]): Field {
  const parts: Field[] = head.length === 0 ? [...fields] : [{ tag: ONE, parts: [head], size: head.length }, ...fields];
  return { tag, parts, size: parts.reduce((sum, field) => sum + fieldSize(field.size), 0) };
}

function groupBy(spans: readonly RawSpan[], key: (span: RawSpan) => Uint8Array): [Uint8Array, RawSpan[]][] {
  const groups = new Map<Uint8Array, RawSpan[]>();
  for (const span of spans) {
    const group = groups.get(key(span));
    if (group === undefined) groups.set(key(span), [span]);
    else group.push(span);
  }
  return [...groups];
}

/** Bytes that a field of `size` bytes takes with its tag (one byte for the fields 1 to 15) and its length. */
function fieldSize(size: number): number {
  return 1 + varintSize(size) + size;
}

function writeField(bytes: Uint8Array, start: number, field: Field): number {
  bytes[start] = field.tag;
  let at = writeVarint(bytes, start + 1, field.size);
  for (const part of field.parts) {
    if (part instanceof Uint8Array) {
      bytes.set(part, at);
      at += part.length;
    } else {
      at = writeField(bytes, at, part);
    }
  }
  return at;
}
