import { LENGTH, ProtoReader } from "../proto-reader.ts";
import { batchRoom, closeMessage, openMessage, takeBytes, writeBytes } from "../proto-writer.ts";

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
  let at = 0;
  for (const [resource, ofResource] of groupBy(spans, (span) => span.resource)) {
    const start = openMessage(at, ONE, batchRoom);
    at = resource.length === 0 ? start : writeBytes(start, ONE, resource);
    for (const [scope, ofScope] of groupBy(ofResource, (span) => span.scope)) {
      const scopeStart = openMessage(at, TWO, batchRoom);
      at = scope.length === 0 ? scopeStart : writeBytes(scopeStart, ONE, scope);
      for (const { span } of ofScope) at = writeBytes(at, TWO, span);
      at = closeMessage(scopeStart, at, batchRoom);
    }
    at = closeMessage(start, at, batchRoom);
  }
  return takeBytes(at);
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
