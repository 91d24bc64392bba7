import type { DatabaseSync, StatementSync } from "node:sqlite";
import { constants, zstdCompressSync } from "node:zlib";
import type { RawBatch } from "@clew/trace/otel";
import type { IngestResult, StoreStats, Summary } from "../contract.ts";
import { openToWrite, pragma } from "./database.ts";
import { type Row, Summaries, summaryColumns } from "./summaries.ts";

export interface WriterOptions {
  readonly file: string;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export type WriterStats = Omit<StoreStats, "droppedSpans" | "rejectedSpans">;

/** A trace while a group of batches is written: its row, and what the group adds to it. */
interface TraceState {
  readonly key: number;
  readonly id: Uint8Array;
  startUs: number;
  endUs: number;
  spanCount: number;
  errorCount: number;
  rootOperation: number;
  rootStartUs: number;
  rootPath: string;
  isComplete: boolean;
  readonly firstChunk: number;
  /** New spans and errors by operation; empty when all were duplicates. */
  readonly added: Map<number, { startUs: number; spans: number; errors: number }>;
}

// Level 1: a third of the time of the default for 8 bytes a span more.
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

// Retention goes below the limit by a tenth, so that it runs once in a while and not at every write.
const keptShare = 0.9;

// A tail shows what is new; of more than this many changed traces at once, the newest will do.
const tailLimit = 200;

/** The one that writes to the file. It lives in a thread of its own; nothing here waits. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #database: DatabaseSync;
  readonly #summaries: Summaries;
  readonly #sql: Record<
    | "insertChunk"
    | "lastTrace"
    | "findTrace"
    | "writeTrace"
    | "writeOperation"
    | "writeTraceOperation"
    | "insertSpan"
    | "oldest"
    | "readTrace",
    StatementSync
  >;
  #nextTrace = 1;
  #spans: number;
  #traces: number;
  readonly #changed = new Set<number>();

  constructor(options: WriterOptions) {
    this.#options = options;
    const database = openToWrite(options.file);
    this.#database = database;
    this.#summaries = new Summaries(database);
    this.#sql = {
      insertChunk: database.prepare("INSERT INTO chunk (received_ms, bytes) VALUES (?, ?)"),
      lastTrace: database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'trace'"),
      findTrace: database.prepare("SELECT * FROM trace WHERE id = ?"),
      writeTrace: database.prepare(`
        INSERT INTO trace (key, id, first_chunk, start_us, end_us, span_count, error_count,
          root_operation, root_start_us, root_path, complete)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET start_us = excluded.start_us, end_us = excluded.end_us,
          span_count = excluded.span_count, error_count = excluded.error_count,
          root_operation = excluded.root_operation, root_start_us = excluded.root_start_us,
          root_path = excluded.root_path, complete = excluded.complete`),
      writeOperation: database.prepare(`
        INSERT INTO operation (service, name, kind, last_chunk) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET last_chunk = excluded.last_chunk RETURNING key`),
      writeTraceOperation: database.prepare(`
        INSERT INTO trace_operation (trace, operation, start_us, span_count, error_count) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET start_us = min(start_us, excluded.start_us), span_count = span_count + excluded.span_count,
          error_count = error_count + excluded.error_count`),
      insertSpan: database.prepare(`
        INSERT OR IGNORE INTO span (trace, id, parent, operation, start_us, duration_us, error, chunk, place)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
      oldest: database.prepare("SELECT min(start_us) AS start FROM trace"),
      readTrace: database.prepare(`SELECT ${summaryColumns} FROM trace t WHERE key = ?`),
    };
    this.#traces = this.#number("SELECT count(*) FROM trace");
    this.#spans = this.#number("SELECT sum(span_count) FROM trace");
  }

  /**
   * Stores batches in one transaction and one chunk: requests one behind another are one request that has the fields of all
   * (protobuf's rule for repeated fields), so nothing is taken apart.
   */
  write(batches: readonly RawBatch[], nowMs: number): IngestResult[] {
    const traces = new Map<string, TraceState>();
    const results: IngestResult[] = [];
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      // Read anew each time: another process may write to the same file.
      this.#nextTrace = Number(this.#sql.lastTrace.get()?.seq ?? 0) + 1;
      const request = batches.length === 1 ? batches[0]!.request : Buffer.concat(batches.map((batch) => batch.request));
      const inserted = this.#sql.insertChunk.run(nowMs, zstdCompressSync(request, compression));
      const chunk = Number(inserted.lastInsertRowid);
      let base = 0;
      for (const batch of batches) {
        results.push(this.#writeSpans(batch, chunk, base, traces));
        base += batch.request.length;
      }
      if (results.every((result) => result.stored === 0)) {
        this.#database.exec("ROLLBACK");
        return results;
      }
      for (const trace of traces.values()) this.#writeTrace(trace);
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
    for (const trace of traces.values()) {
      if (trace.added.size === 0) continue;
      let added = 0;
      for (const { spans } of trace.added.values()) added += spans;
      this.#spans += added;
      if (trace.spanCount === added) this.#traces++;
      this.#changed.add(trace.key);
    }
    this.retain(nowMs);
    return results;
  }

  #writeSpans(batch: RawBatch, chunk: number, base: number, traces: Map<string, TraceState>): IngestResult {
    const operations = new Map<number, number>();
    const traceIds = Buffer.from(batch.traceIds.buffer, batch.traceIds.byteOffset, batch.traceIds.byteLength);
    let stored = 0;
    for (let i = 0; i < batch.size; i++) {
      const name = batch.strings[batch.names[i]!]!;
      const service = batch.strings[batch.services[i]!]!;
      const kind = batch.kinds[i]!;
      // Distinct for each (service, name, kind): kind is one byte.
      const operationOf = (batch.services[i]! * batch.strings.length + batch.names[i]!) * 256 + kind;
      let operation = operations.get(operationOf);
      if (operation === undefined) {
        operation = Number(this.#sql.writeOperation.get(service, name, kind, chunk)!.key);
        operations.set(operationOf, operation);
      }
      const traceId = traceIds.subarray(i * 16, i * 16 + 16);
      const trace = this.#stateOf(traceId, chunk, traces);
      const startUs = batch.startUs[i]!;
      const durationUs = batch.durationUs[i]!;
      const isError = batch.statusCodes[i] === 2;
      const parent = batch.parentSpanIds.subarray(i * 8, i * 8 + 8);
      const isRoot = parent.every((byte) => byte === 0);
      const inserted = this.#sql.insertSpan.run(
        trace.key,
        batch.spanIds.subarray(i * 8, i * 8 + 8),
        isRoot ? null : parent,
        operation,
        startUs,
        durationUs,
        isError ? 1 : 0,
        chunk,
        base + batch.offsets[i]!,
      );
      if (inserted.changes === 0) continue;
      stored++;
      trace.spanCount++;
      if (isError) trace.errorCount++;
      if (startUs < trace.startUs) trace.startUs = startUs;
      if (startUs + durationUs > trace.endUs) trace.endUs = startUs + durationUs;
      const isBetter = isRoot === trace.isComplete ? startUs < trace.rootStartUs : isRoot;
      if (isBetter) {
        trace.rootOperation = operation;
        trace.rootStartUs = startUs;
        trace.rootPath = batch.strings[batch.paths[i]!]!;
        trace.isComplete = isRoot;
      }
      const added = trace.added.get(operation);
      if (added === undefined) {
        trace.added.set(operation, { startUs, spans: 1, errors: isError ? 1 : 0 });
      } else {
        if (startUs < added.startUs) added.startUs = startUs;
        added.spans++;
        if (isError) added.errors++;
      }
    }
    return { isFull: false, stored, duplicates: batch.size - stored };
  }

  #stateOf(id: Buffer, chunk: number, traces: Map<string, TraceState>): TraceState {
    const name = id.toString("latin1");
    let state = traces.get(name);
    if (state === undefined) {
      const row = this.#sql.findTrace.get(id);
      state =
        row === undefined
          ? {
              key: this.#nextTrace++,
              id,
              startUs: Number.POSITIVE_INFINITY,
              endUs: Number.NEGATIVE_INFINITY,
              spanCount: 0,
              errorCount: 0,
              rootOperation: 0,
              rootStartUs: Number.POSITIVE_INFINITY,
              rootPath: "",
              isComplete: false,
              firstChunk: chunk,
              added: new Map(),
            }
          : readState(row, id);
      traces.set(name, state);
    }
    return state;
  }

  #writeTrace(trace: TraceState): void {
    if (trace.added.size === 0) return;
    this.#sql.writeTrace.run(
      trace.key,
      trace.id,
      trace.firstChunk,
      trace.startUs,
      trace.endUs,
      trace.spanCount,
      trace.errorCount,
      trace.rootOperation,
      trace.rootStartUs,
      trace.rootPath === "" ? null : trace.rootPath,
      trace.isComplete ? 1 : 0,
    );
    for (const [operation, { startUs, spans, errors }] of trace.added) {
      this.#sql.writeTraceOperation.run(trace.key, operation, startUs, spans, errors);
    }
  }

  /** Deletes what is too old, and the oldest of what is too much. A trace goes as a whole, with its oldest chunk. */
  retain(nowMs: number): void {
    const aged = this.#number("SELECT max(key) FROM chunk WHERE received_ms < ?", nowMs - this.#options.maxAgeMs);
    if (aged > 0) this.#deleteThrough(aged);
    const { maxBytes } = this.#options;
    if (this.#usedBytes() > maxBytes) {
      while (this.#usedBytes() > maxBytes * keptShare) {
        const first = this.#number("SELECT min(key) FROM chunk");
        const last = this.#number("SELECT max(key) FROM chunk");
        // The newest chunk stays, however large: what was just sent should be seen.
        if (first >= last) break;
        this.#deleteThrough(Math.min(last - 1, first + Math.floor((last - first) / 20)));
      }
    }
    const pageSize = pragma(this.#database, "page_size");
    const surplus = pragma(this.#database, "page_count") - Math.floor(maxBytes / pageSize);
    if (surplus > 0) this.#database.exec(`PRAGMA incremental_vacuum(${surplus})`);
  }

  #deleteThrough(chunk: number): void {
    const old = "SELECT key FROM trace WHERE first_chunk <= ?";
    const traces = this.#number("SELECT count(*) FROM trace WHERE first_chunk <= ?", chunk);
    const spans = this.#number("SELECT sum(span_count) FROM trace WHERE first_chunk <= ?", chunk);
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      this.#database.prepare(`DELETE FROM span WHERE trace IN (${old})`).run(chunk);
      this.#database.prepare(`DELETE FROM trace_operation WHERE trace IN (${old})`).run(chunk);
      this.#database.prepare("DELETE FROM trace WHERE first_chunk <= ?").run(chunk);
      this.#database.prepare("DELETE FROM chunk WHERE key <= ?").run(chunk);
      // Whoever uses an operation has spans in a chunk up to its last, and those went with their traces.
      this.#database.prepare("DELETE FROM operation WHERE last_chunk <= ?").run(chunk);
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
    this.#traces -= traces;
    this.#spans -= spans;
  }

  #usedBytes(): number {
    const pages = pragma(this.#database, "page_count") - pragma(this.#database, "freelist_count");
    return pages * pragma(this.#database, "page_size");
  }

  /** Summaries of the traces that changed since the last call. */
  takeChanged(): Summary[] {
    const keys = [...this.#changed].sort((a, b) => a - b).slice(-tailLimit);
    this.#changed.clear();
    return keys.flatMap((key) => {
      const row: Row | undefined = this.#sql.readTrace.get(key);
      return row === undefined ? [] : [this.#summaries.of(row)];
    });
  }

  /** Forgets which traces changed: nobody listens. */
  dropChanged(): void {
    this.#changed.clear();
  }

  stats(): WriterStats {
    const oldest = this.#sql.oldest.get()?.start;
    return {
      spans: this.#spans,
      traces: this.#traces,
      bytes: this.#usedBytes(),
      oldestMs: typeof oldest === "number" ? oldest / 1000 : null,
    };
  }

  close(): void {
    this.#database.close();
  }

  #number(sql: string, ...values: number[]): number {
    const row = this.#database.prepare(sql).get(...values);
    return row === undefined ? 0 : Number(Object.values(row)[0] ?? 0);
  }
}

function readState(row: Row, id: Uint8Array): TraceState {
  return {
    key: Number(row.key),
    id,
    startUs: Number(row.start_us),
    endUs: Number(row.end_us),
    spanCount: Number(row.span_count),
    errorCount: Number(row.error_count),
    rootOperation: Number(row.root_operation),
    rootStartUs: Number(row.root_start_us),
    rootPath: String(row.root_path ?? ""),
    isComplete: row.complete === 1,
    firstChunk: Number(row.first_chunk),
    added: new Map(),
  };
}
