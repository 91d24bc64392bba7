import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { zstdDecompressSync } from "node:zlib";
import { type DecodedSpan, decodeSpan, joinSpans, type RawSpan, sliceSpans } from "@clew/trace/otel";
import type {
  Operation,
  PageRequest,
  ServiceMap,
  ServiceMapLimits,
  Summary,
  SummaryPage,
  TimeRange,
  TraceQuery,
  TraceSkeleton,
} from "../contract.ts";
import { cursorInvalid } from "../errors.ts";
import { openToRead } from "./database.ts";
import { callersEndKinds, readServiceMap } from "./service-map.ts";
import { SpanNotes } from "./span-target.ts";
import { hex, type Row, Summaries, summaryColumns } from "./summaries.ts";

// A page that must look at spans to answer looks at this many traces, and so many spans, at most, so that no question holds up
// the others for long.
const defaultScanLimits: ScanLimits = { traces: 20_000, spans: 1_000_000 };
/** A map with backings opens so many chunks at most. What it found is kept, so the next one comes further. */
const mostChunks = 50_000;

interface ScanLimits {
  readonly traces: number;
  readonly spans: number;
  readonly chunks?: number;
}

/** Answers questions from a connection of its own, in a thread of its own, while the writer writes. */
export class Reader {
  readonly #database: DatabaseSync;
  readonly #summaries: Summaries;
  readonly #chunks: ChunkCache;
  readonly #notes: SpanNotes;
  readonly #findTrace: StatementSync;
  readonly #spansOf: StatementSync;
  readonly #scanLimits: ScanLimits;

  constructor(file: string, scanLimits: ScanLimits = defaultScanLimits) {
    this.#scanLimits = scanLimits;
    this.#database = openToRead(file);
    this.#summaries = new Summaries(this.#database);
    this.#chunks = new ChunkCache(this.#database);
    this.#notes = new SpanNotes(this.#database);
    this.#findTrace = this.#database.prepare(`SELECT ${summaryColumns} FROM trace t WHERE id = ?`);
    this.#spansOf = this.#database.prepare("SELECT * FROM span WHERE trace = ? ORDER BY start_us");
  }

  trace(traceId: string): Uint8Array | null {
    return this.#consistently(() => {
      const trace = this.#find(traceId);
      if (trace === undefined) return null;
      // Spans of one service come in many requests, each with its own copy of the same resource.
      const shared = new Map<string, Uint8Array>();
      const share = (bytes: Uint8Array): Uint8Array => {
        const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
        const first = shared.get(name);
        if (first === undefined) shared.set(name, bytes);
        return first ?? bytes;
      };
      const spans: RawSpan[] = [];
      for (const row of this.#spansOf.all(trace.key!)) {
        const raw = this.#chunks.span(Number(row.chunk), Number(row.place));
        spans.push({
          resource: share(raw.resource),
          scope: share(raw.scope),
          span: raw.span,
          resourceSchema: share(raw.resourceSchema),
          scopeSchema: share(raw.scopeSchema),
        });
      }
      return joinSpans(spans);
    });
  }

  span(traceId: string, spanId: string): DecodedSpan | null {
    return this.#consistently(() => {
      const trace = this.#find(traceId);
      if (trace === undefined) return null;
      const row = this.#database
        .prepare("SELECT chunk, place FROM span WHERE trace = ? AND id = ?")
        .get(trace.key!, Buffer.from(spanId, "hex"));
      return row === undefined ? null : decodeSpan(this.#chunks.span(Number(row.chunk), Number(row.place)));
    });
  }

  skeleton(traceId: string): TraceSkeleton | null {
    return this.#consistently(() => {
      const trace = this.#find(traceId);
      return trace === undefined ? null : this.#skeletonOf(trace, traceId);
    });
  }

  #skeletonOf(trace: Row, traceId: string): TraceSkeleton {
    const rows = this.#spansOf.all(trace.key!);
    const operations = this.#database
      .prepare(
        `SELECT o.key, o.service, o.name, o.kind FROM trace_operation t JOIN operation o ON o.key = t.operation
         WHERE t.trace = ?`,
      )
      .all(trace.key!);
    const serviceNames = new Names();
    const operationNames = new Names();
    const byKey = new Map(
      operations.map((row) => [
        Number(row.key),
        {
          service: serviceNames.index(String(row.service)),
          operation: operationNames.index(String(row.name)),
          kind: Number(row.kind),
        },
      ]),
    );
    const spanId = rows.map((row) => hex(row.id));
    const indices = new Map(spanId.map((id, index) => [id, index]));
    const parent = rows.map((row, index) => {
      if (row.parent === null) return -1;
      const found = indices.get(hex(row.parent));
      // A span that names itself as its parent has none that could be found.
      return found === undefined || found === index ? -2 : found;
    });
    const operationOf = rows.map((row) => byKey.get(Number(row.operation))!);
    const startUs = Number(trace.start_us);
    return {
      traceId,
      startMs: startUs / 1000,
      durationMs: (Number(trace.end_us) - startUs) / 1000,
      services: serviceNames.all,
      operations: operationNames.all,
      spans: {
        spanId,
        parent,
        service: operationOf.map((operation) => operation.service),
        operation: operationOf.map((operation) => operation.operation),
        startUs: rows.map((row) => Number(row.start_us) - startUs),
        durationUs: rows.map((row) => Number(row.duration_us)),
        kind: operationOf.map((operation) => operation.kind),
        error: rows.map((row) => (row.error === 1 ? 1 : 0)),
      },
    };
  }

  search(query: TraceQuery, page: PageRequest): SummaryPage {
    const limit = Math.min(Math.max(1, Math.trunc(page.limit ?? 50)), 1000);
    return this.#consistently(() => {
      const { sql, values } = this.#select(query, page.before);
      const matches = this.#spanMatcher(query);
      const summaries: Summary[] = [];
      let last: Row | undefined;
      let traces = 0;
      let spans = 0;
      for (const row of this.#database.prepare(sql).iterate(...values)) {
        // One more than asked for has been found, or enough was looked at: the next page begins behind the last one.
        const hasEnough = traces >= this.#scanLimits.traces || spans >= this.#scanLimits.spans;
        if (summaries.length === limit || hasEnough) return { summaries, next: cursorOf(last!) };
        if (matches === undefined || matches(Number(row.key))) {
          summaries.push(this.#summaries.of(row));
        }
        if (matches !== undefined) {
          traces++;
          spans += Number(row.span_count);
        }
        last = row;
      }
      return { summaries, next: null };
    });
  }

  /** The traces that may match, newest first. What two spans, or attributes and durations of one, must say is not decided here. */
  #select(query: TraceQuery, before: string | undefined): { sql: string; values: SQLInputValue[] } {
    const conditions: string[] = [];
    const values: SQLInputValue[] = [];
    const where = (condition: string, ...more: SQLInputValue[]): void => {
      conditions.push(condition);
      values.push(...more);
    };
    if (before !== undefined) where("(t.start_us, t.key) < (?, ?)", ...parseCursor(before));
    if (query.start !== undefined) where("t.start_us BETWEEN ? AND ?", query.start.fromUs, query.start.toUs);
    if (query.hasError) where("t.error_count > 0");
    if (query.minDurationUs !== undefined) where("t.end_us - t.start_us >= ?", query.minDurationUs);
    if (query.maxDurationUs !== undefined) where("t.end_us - t.start_us <= ?", query.maxDurationUs);
    const whereSpanOf = (service: string | undefined, operation: string | undefined): void => {
      const { sql, values } = operationKeys(service, operation);
      if (sql === "") return;
      where(`EXISTS (SELECT 1 FROM trace_operation x WHERE x.trace = t.key AND x.operation IN (${sql}))`, ...values);
    };
    whereSpanOf(query.service, query.operation);
    whereSpanOf(query.caller, undefined);
    const filter = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    return {
      sql: `SELECT ${summaryColumns} FROM trace t INDEXED BY trace_start ${filter} ORDER BY t.start_us DESC, t.key DESC`,
      values,
    };
  }

  /** Whether a trace has one span that is all the query wants of a span; undefined when the trace's row tells enough. */
  #spanMatcher(query: TraceQuery): ((trace: number) => boolean) | undefined {
    const { tags = [], caller, spanMinUs, spanMaxUs } = query;
    if (tags.length === 0 && caller === undefined && spanMinUs === undefined && spanMaxUs === undefined)
      return undefined;
    const operations = operationKeys(query.service, query.operation);
    const spans = this.#database.prepare(`
      SELECT s.chunk, s.place, o.kind, ${caller === undefined ? "s.error" : callFailed} AS failed
      FROM span s CROSS JOIN operation o ON o.key = s.operation ${caller === undefined ? "" : joinParent}
      WHERE s.trace = ? AND s.duration_us BETWEEN ? AND ?
      ${operations.sql === "" ? "" : `AND s.operation IN (${operations.sql})`}
      ${caller === undefined ? "" : "AND po.service = ? AND o.service <> po.service"}`);
    const bounds = [spanMinUs ?? 0, spanMaxUs ?? Number.MAX_VALUE];
    const more = caller === undefined ? operations.values : [...operations.values, caller];
    return (trace) => {
      for (const row of spans.iterate(trace, ...bounds, ...more)) {
        if (tags.every((tag) => this.#hasTag(row, tag.key, tag.value))) return true;
      }
      return false;
    };
  }

  #hasTag(row: Row, key: string, value: string): boolean {
    if (key === "error" && (value === "true" || value === "false")) return (row.failed === 1) === (value === "true");
    if (key === "span.kind") return kindNames[Number(row.kind)] === value;
    const raw = this.#chunks.span(Number(row.chunk), Number(row.place));
    // Looking for the key's bytes is far cheaper than decoding, and most spans do not have it.
    if (!contains(raw.span, key) && !contains(raw.resource, key)) return false;
    const { attributes, resource } = decodeSpan(raw);
    return [...attributes, ...resource].some((attribute) => attribute.key === key && asText(attribute.value) === value);
  }

  services(): string[] {
    const rows = this.#database.prepare("SELECT DISTINCT service FROM operation ORDER BY service").all();
    return rows.map((row) => String(row.service));
  }

  operations(service: string | undefined): Operation[] {
    const filter = service === undefined ? "" : "WHERE service = ?";
    const rows = this.#database
      .prepare(`SELECT service, name, kind FROM operation ${filter} ORDER BY name, kind, service`)
      .all(...(service === undefined ? [] : [service]));
    return rows.map((row) => ({ service: String(row.service), name: String(row.name), kind: Number(row.kind) }));
  }

  serviceMap(range: TimeRange, limits: ServiceMapLimits): ServiceMap {
    const notes = this.#notes;
    notes.mayOpen(this.#scanLimits.chunks ?? mostChunks);
    return this.#consistently(() => readServiceMap(this.#database, notes, range, limits));
  }

  close(): void {
    this.#database.close();
  }

  #find(traceId: string): Row | undefined {
    return this.#findTrace.get(Buffer.from(traceId, "hex"));
  }

  /** Runs `read` on one state of the file, whatever the writer does meanwhile. */
  #consistently<T>(read: () => T): T {
    this.#database.exec("BEGIN");
    try {
      return read();
    } finally {
      this.#database.exec("COMMIT");
    }
  }
}

const kindNames = ["unspecified", "internal", "server", "client", "producer", "consumer"];

// CROSS JOIN: from a span to its parent, which its key finds, and never the other way round, where each would look at all.
const joinParent = `
  CROSS JOIN span p ON p.trace = s.trace AND p.id = s.parent
  CROSS JOIN operation po ON po.key = p.operation`;
const callFailed = `(s.error OR (p.error AND po.kind IN (${callersEndKinds.join(", ")})))`;

function operationKeys(service: string | undefined, operation: string | undefined): { sql: string; values: string[] } {
  const conditions: string[] = [];
  const values: string[] = [];
  if (service !== undefined) {
    conditions.push("service = ?");
    values.push(service);
  }
  if (operation !== undefined) {
    conditions.push("name = ?");
    values.push(operation);
  }
  return { sql: conditions.length === 0 ? "" : `SELECT key FROM operation WHERE ${conditions.join(" AND ")}`, values };
}

function cursorOf(row: Row): string {
  return `${row.start_us}_${row.key}`;
}

function parseCursor(cursor: string): [number, number] {
  const match = /^(\d{1,20}(?:\.\d+)?)_(\d{1,15})$/.exec(cursor);
  if (match === null) throw cursorInvalid(cursor);
  return [Number(match[1]), Number(match[2])];
}

function contains(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(text);
}

function asText(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Strings and their index in a list. */
class Names {
  readonly all: string[] = [];
  readonly #indices = new Map<string, number>();

  index(name: string): number {
    let index = this.#indices.get(name);
    if (index === undefined) {
      index = this.all.push(name) - 1;
      this.#indices.set(name, index);
    }
    return index;
  }
}

// Newest first, neighbours in a list lie in the same chunks; opening one costs a millisecond.
const maxCacheBytes = 64 * 1024 * 1024;

/** Chunks opened lately, the one used longest ago going first. */
class ChunkCache {
  readonly #select: StatementSync;
  readonly #chunks = new Map<number, { size: number; spans: Map<number, RawSpan> }>();
  #bytes = 0;

  constructor(database: DatabaseSync) {
    this.#select = database.prepare("SELECT bytes FROM chunk WHERE key = ?");
  }

  /** The span at a place of a chunk. */
  span(key: number, place: number): RawSpan {
    let chunk = this.#chunks.get(key);
    if (chunk === undefined) {
      const row = this.#select.get(key);
      const bytes = zstdDecompressSync(row!.bytes as Uint8Array);
      const spans = new Map(sliceSpans(bytes).map((raw) => [raw.span.byteOffset - bytes.byteOffset, raw]));
      chunk = { size: bytes.length, spans };
      this.#bytes += bytes.length;
    } else {
      this.#chunks.delete(key);
    }
    this.#chunks.set(key, chunk);
    for (const [oldest, { size }] of this.#chunks) {
      if (this.#bytes <= maxCacheBytes || oldest === key) break;
      this.#chunks.delete(oldest);
      this.#bytes -= size;
    }
    return chunk.spans.get(place)!;
  }
}
