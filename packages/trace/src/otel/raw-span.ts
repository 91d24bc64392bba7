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
  /** Of the conventions that the resource's attributes follow, in UTF-8; empty when the sender gave none. */
  readonly resourceSchema: Uint8Array;
  /** The same of the spans under this scope. */
  readonly scopeSchema: Uint8Array;
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

/** Where a resource or a scope lies, and the URL of its schema; both are empty when there is none. */
interface OwnerPlace {
  start: number;
  end: number;
  schemaStart: number;
  schemaEnd: number;
}

export interface SpanPlaces {
  readonly spans: SpanPlace[];
  readonly resources: Readonly<OwnerPlace>[];
  readonly scopes: Readonly<OwnerPlace>[];
}

// ExportTraceServiceRequest.resource_spans, ResourceSpans.resource, ScopeSpans.scope: field 1.
// ResourceSpans.scope_spans, ScopeSpans.spans: field 2. The schema_url of both: field 3.
const ONE = (1 << 3) | LENGTH;
const TWO = (2 << 3) | LENGTH;
const THREE = (3 << 3) | LENGTH;

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
  // Fields come in any order: the resource may stand behind the spans it describes.
  const place = { start: 0, end: 0, schemaStart: 0, schemaEnd: 0 };
  const resource = places.resources.push(place) - 1;
  while (reader.next()) {
    if (reader.tag === TWO) {
      const outer = reader.enter();
      locateScopeSpans(reader, places, resource);
      reader.leave(outer);
    } else {
      locateOwner(reader, place);
    }
  }
}

function locateScopeSpans(reader: ProtoReader, places: SpanPlaces, resource: number): void {
  const { scopes, spans } = places;
  const place = { start: 0, end: 0, schemaStart: 0, schemaEnd: 0 };
  const scope = scopes.push(place) - 1;
  while (reader.next()) {
    if (reader.tag === TWO) {
      const end = reader.length();
      spans.push({ start: reader.at, end, resource, scope });
      reader.at = end;
    } else {
      locateOwner(reader, place);
    }
  }
}

/** Reads a field that is not the spans: whose they are, the URL of their schema, or what is not known here. */
function locateOwner(reader: ProtoReader, place: OwnerPlace): void {
  if (reader.tag === ONE) {
    place.end = reader.length();
    place.start = reader.at;
    reader.at = place.end;
  } else if (reader.tag === THREE) {
    place.schemaEnd = reader.length();
    place.schemaStart = reader.at;
    reader.at = place.schemaEnd;
  } else {
    reader.skip();
  }
}

/** The raw spans of a request. Spans of one resource share one `resource` view, and so with scopes. */
export function sliceSpans(request: Uint8Array): RawSpan[] {
  const { spans, resources, scopes } = locateSpans(request);
  const view = (start: number, end: number): Uint8Array => (start === end ? noBytes : request.subarray(start, end));
  const toViews = ({ start, end, schemaStart, schemaEnd }: OwnerPlace) => ({
    owner: view(start, end),
    schema: view(schemaStart, schemaEnd),
  });
  const resourceViews = resources.map(toViews);
  const scopeViews = scopes.map(toViews);
  return spans.map(({ start, end, resource, scope }) => ({
    resource: resourceViews[resource]!.owner,
    scope: scopeViews[scope]!.owner,
    span: request.subarray(start, end),
    resourceSchema: resourceViews[resource]!.schema,
    scopeSchema: scopeViews[scope]!.schema,
  }));
}

const noBytes = new Uint8Array(0);

/**
 * Writes raw spans as one ExportTraceServiceRequest: the way back from {@link sliceSpans}. Spans that share the views of a resource and
 * its schema, or of a scope and its schema, share them in the result too.
 */
export function joinSpans(spans: readonly RawSpan[]): Uint8Array {
  let at = 0;
  for (const ofResource of groupBy(spans, resourceOf, resourceSchemaOf)) {
    const start = openMessage(at, ONE, batchRoom);
    at = writeIfAny(start, ONE, resourceOf(ofResource[0]!));
    for (const ofScope of groupBy(ofResource, scopeOf, scopeSchemaOf)) {
      const scopeStart = openMessage(at, TWO, batchRoom);
      at = writeIfAny(scopeStart, ONE, scopeOf(ofScope[0]!));
      for (const { span } of ofScope) at = writeBytes(at, TWO, span);
      at = closeMessage(scopeStart, writeIfAny(at, THREE, scopeSchemaOf(ofScope[0]!)), batchRoom);
    }
    at = closeMessage(start, writeIfAny(at, THREE, resourceSchemaOf(ofResource[0]!)), batchRoom);
  }
  return takeBytes(at);
}

type View = (span: RawSpan) => Uint8Array;

const resourceOf: View = ({ resource }) => resource;
const resourceSchemaOf: View = ({ resourceSchema }) => resourceSchema;
const scopeOf: View = ({ scope }) => scope;
const scopeSchemaOf: View = ({ scopeSchema }) => scopeSchema;

function writeIfAny(at: number, tag: number, bytes: Uint8Array): number {
  return bytes.length === 0 ? at : writeBytes(at, tag, bytes);
}

/** Spans that share both views, in the order in which the first of each came. */
function groupBy(spans: readonly RawSpan[], owner: View, schema: View): RawSpan[][] {
  const groups: RawSpan[][] = [];
  const found = new Map<Uint8Array, Map<Uint8Array, RawSpan[]>>();
  for (const span of spans) {
    const bySchema = found.get(owner(span)) ?? new Map<Uint8Array, RawSpan[]>();
    found.set(owner(span), bySchema);
    const group = bySchema.get(schema(span));
    if (group !== undefined) {
      group.push(span);
      continue;
    }
    const first = [span];
    bySchema.set(schema(span), first);
    groups.push(first);
  }
  return groups;
}
