import { resolve } from "node:path";
import { aFunction, checkOptions, checkValue, kind, numberFrom, type OptionChecks } from "@clew/options";
import type { DecodedSpan, RawBatch } from "@clew/trace/otel";
import type {
  IngestResult,
  Operation,
  PageRequest,
  ServiceMap,
  ServiceMapLimits,
  StoreStats,
  Summary,
  SummaryPage,
  TimeRange,
  TraceQuery,
  TraceSkeleton,
  TraceStore,
} from "../contract.ts";
import { optionError, readFailed, storeClosed, writeFailed } from "../errors.ts";
import { Thread } from "./thread.ts";
import type { WriterStats } from "./writer.ts";

export interface SqliteStoreOptions {
  /** The path of the database file. The file and its folder are created if they do not exist. Required. */
  file: string;
  /**
   * The maximum size of the database, in bytes; when it is reached, the oldest traces are deleted. At least 1 MiB. Default: 512
   * MiB.
   */
  maxBytes?: number;
  /** How long traces are kept after they arrived, in milliseconds. Default: 7 days. */
  maxAgeMs?: number;
  /**
   * How many bytes of spans may wait to be written before {@link TraceStore.ingest} answers that the store is full. Default: 64
   * MiB.
   */
  maxWaitingBytes?: number;
  /** Returns the time, in Unix milliseconds. Default: Date.now. */
  now?: () => number;
}

type ResolvedOptions = Required<SqliteStoreOptions>;

const mebibyte = 1024 * 1024;
const dayMs = 24 * 60 * 60 * 1000;

const aPath = kind("the path of a file", (given) => typeof given === "string" && given !== "");

const optionChecks: OptionChecks<SqliteStoreOptions> = {
  file: aPath,
  maxBytes: numberFrom(mebibyte),
  maxAgeMs: numberFrom(1),
  maxWaitingBytes: numberFrom(1),
  now: aFunction,
};

function resolveSqliteStoreOptions(options: SqliteStoreOptions): ResolvedOptions {
  checkOptions("openSqliteStore", options, optionChecks, optionError);
  const {
    file,
    maxBytes = 512 * mebibyte,
    maxAgeMs = 7 * dayMs,
    maxWaitingBytes = 64 * mebibyte,
    now = Date.now,
  } = options;
  checkValue("file", file, aPath, optionError);
  return { file: resolve(file), maxBytes, maxAgeMs, maxWaitingBytes, now };
}

/**
 * Opens the trace store in a file. Rejects with a coded error that names the file when it belongs to another program
 * (`CLEW_STORE_FOREIGN`), was written by a newer Clew (`CLEW_STORE_VERSION`) or cannot be opened (`CLEW_STORE_OPEN`), or with
 * `CLEW_STORE_OPTION` for an invalid option.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<TraceStore> {
  const resolved = resolveSqliteStoreOptions(options);
  const store = new SqliteStore(resolved);
  await store.open();
  return store;
}

const retainEveryMs = 60_000;

class SqliteStore implements TraceStore {
  readonly #options: ResolvedOptions;
  readonly #writer: Thread;
  // Started at the first query: a process that only writes does not pay for a second thread.
  #reader: Promise<Thread> | undefined;
  readonly #listeners = new Set<(summaries: Summary[]) => void>();
  #retainTimer: NodeJS.Timeout | undefined;
  #waitingBytes = 0;
  #droppedSpans = 0;
  #rejectedSpans = 0;
  #isClosed = false;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#writer = new Thread("writer-thread", (summaries: Summary[]) => {
      for (const listener of this.#listeners) listener(summaries);
    });
  }

  async open(): Promise<void> {
    const { file, maxBytes, maxAgeMs, now } = this.#options;
    try {
      await this.#writer.call("open", [{ file, maxBytes, maxAgeMs }]);
      await this.#writer.call("retain", [now()]);
    } catch (error) {
      await this.#writer.end();
      throw error;
    }
    // Traces expire also when nothing is written. A failure here appears again at the next write, which can report it.
    this.#retainTimer = setInterval(() => void this.#writer.call("retain", [now()]).catch(() => {}), retainEveryMs);
    this.#retainTimer.unref();
  }

  async ingest(batch: RawBatch): Promise<IngestResult> {
    if (this.#isClosed) throw storeClosed();
    this.#rejectedSpans += batch.rejected;
    if (batch.size === 0) return { isFull: false, stored: 0, duplicates: 0 };
    const bytes = batch.request.byteLength;
    // One batch is always accepted, even if it alone is larger than the limit.
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#options.maxWaitingBytes) {
      this.#droppedSpans += batch.size;
      return { isFull: true, stored: 0, duplicates: 0 };
    }
    const owned = { ...batch, request: ownBytes(batch.request) };
    const transfer = [owned.request.buffer as ArrayBuffer];
    this.#waitingBytes += bytes;
    try {
      return await this.#writer.call<IngestResult>("ingest", [owned, this.#options.now()], transfer);
    } catch (error) {
      throw writeFailed(this.#options.file, error as Error);
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  trace(traceId: string): Promise<Uint8Array | null> {
    return this.#read("trace", traceId);
  }

  skeleton(traceId: string): Promise<TraceSkeleton | null> {
    return this.#read("skeleton", traceId);
  }

  span(traceId: string, spanId: string): Promise<DecodedSpan | null> {
    return this.#read("span", traceId, spanId);
  }

  search(query: TraceQuery, page: PageRequest = {}): Promise<SummaryPage> {
    return this.#read("search", query, page);
  }

  services(): Promise<string[]> {
    return this.#read("services");
  }

  operations(service?: string): Promise<Operation[]> {
    return this.#read("operations", service);
  }

  serviceMap(range: TimeRange, limits: ServiceMapLimits = {}): Promise<ServiceMap> {
    return this.#read("serviceMap", range, limits);
  }

  tail(listener: (summaries: Summary[]) => void): () => void {
    if (this.#isClosed) throw storeClosed();
    // Each call is its own subscription, also when the same function is passed twice.
    const own = (summaries: Summary[]): void => listener(summaries);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#setTail(true);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#setTail(false);
    };
  }

  #setTail(isOn: boolean): void {
    // It fails only when the thread has ended; then every other call reports that.
    if (!this.#isClosed) void this.#writer.call("tail", [isOn]).catch(() => {});
  }

  async stats(): Promise<StoreStats> {
    if (this.#isClosed) throw storeClosed();
    const stats = await this.#writer.call<WriterStats>("stats", []);
    return { ...stats, droppedSpans: this.#droppedSpans, rejectedSpans: this.#rejectedSpans };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#retainTimer);
    this.#listeners.clear();
    const reader = await this.#reader?.catch(() => undefined);
    try {
      // The reader first: the last connection that closes writes the WAL back into the file.
      await reader?.call("close", []);
      await this.#writer.call("close", []);
    } finally {
      await Promise.all([reader?.end(), this.#writer.end()]);
    }
  }

  async #read<T>(method: string, ...args: unknown[]): Promise<T> {
    if (this.#isClosed) throw storeClosed();
    this.#reader ??= this.#openReader();
    try {
      return await (await this.#reader).call<T>(method, args);
    } catch (error) {
      if ((error as { code?: string }).code?.startsWith("CLEW_")) throw error;
      throw readFailed(this.#options.file, error as Error);
    }
  }

  async #openReader(): Promise<Thread> {
    const reader = new Thread("reader-thread", () => {});
    await reader.call("open", [this.#options.file]);
    return reader;
  }
}

/** Returns the same bytes in a buffer of their own, so that it can move to another thread; small data is copied. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
