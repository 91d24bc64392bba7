import {
  aFunction,
  checkOptions,
  having,
  kind,
  numberFrom,
  type OptionCheck,
  type OptionChecks,
  optionsWith,
} from "@clew/options";
import type { SqliteStoreOptions, TraceStore } from "@clew/store";
import type { ExportResult, SpanData, SpanExporter } from "@clew/trace";
import { decodeRequest, encodeRequest } from "@clew/trace/otel";
import { optionError } from "./errors.ts";

export interface StoreExporterOptions {
  /** An open store, to share with other readers; the code that opened it closes it. Default: the exporter opens its own, see `sqlite`. */
  store?: TraceStore;
  /** The store to open at the first export, with its options; a collector can show it later. Default: the file `.data/traces.db`. */
  sqlite?: SqliteStoreOptions;
}

const aPath = kind("the path of a file", (given) => typeof given === "string" && given !== "");
const sqliteChecks: OptionChecks<SqliteStoreOptions> = {
  file: aPath,
  maxBytes: numberFrom(1024 * 1024),
  maxAgeMs: numberFrom(1),
  maxWaitingBytes: numberFrom(1),
  now: aFunction,
};
const sqliteOptions = optionsWith(sqliteChecks);

/** The store makes the same checks, but only when it is opened. */
const sqlite: OptionCheck = (name, given) =>
  sqliteOptions(name, given) ?? aPath(`${name}.file`, (given as SqliteStoreOptions).file);

const optionChecks: OptionChecks<StoreExporterOptions> = {
  store: having("an open trace store, as openSqliteStore() gives one", "ingest"),
  sqlite,
};

/** Writes spans into a trace store of this process, without a socket or a collector. The store runs in a separate thread. */
export class StoreExporter implements SpanExporter {
  readonly #given: TraceStore | undefined;
  readonly #sqlite: SqliteStoreOptions;
  #opening: Promise<TraceStore> | undefined;

  /** @throws CLEW_EXPORTER_OPTION */
  constructor(options: StoreExporterOptions = {}) {
    checkOptions("StoreExporter", options, optionChecks, optionError);
    this.#given = options.store;
    this.#sqlite = options.sqlite ?? { file: ".data/traces.db" };
  }

  async export(spans: readonly SpanData[]): Promise<ExportResult> {
    try {
      const store = this.#given ?? (await this.#open());
      const batch = decodeRequest(encodeRequest(spans));
      const { rejected, message } = batch;
      const { isFull } = await store.ingest(batch);
      if (isFull) return { outcome: "unavailable", error: new Error("the trace store has too much waiting") };
      return { outcome: "exported", rejectedSpans: rejected, ...(rejected > 0 && { error: new Error(message) }) };
    } catch (error) {
      // A full disk may have room later.
      return { outcome: "unavailable", error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  /** Writes the accepted spans, and closes the store if this exporter opened it. */
  async shutdown(): Promise<void> {
    await (await this.#opening?.catch(() => undefined))?.close();
  }

  /** SQLite is loaded only by this exporter, when it first exports. */
  #open(): Promise<TraceStore> {
    this.#opening ??= import("@clew/store").then(({ openSqliteStore }) => openSqliteStore(this.#sqlite));
    this.#opening.catch(() => {
      // The next export tries again.
      this.#opening = undefined;
    });
    return this.#opening;
  }
}
