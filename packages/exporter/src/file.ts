import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "@clew/log";
import { aLogger, checkOptions, kind, numberFrom, type OptionChecks, oneOf, wholeNumberFrom } from "@clew/options";
import type { ExportResult, SpanData, SpanExporter } from "@clew/trace";
import { encodeRequestAsJson } from "@clew/trace/otel";
import { fileOptionError } from "./errors.ts";

export interface FileOptions {
  /** Where to write; folders are made. `"-"` is standard output. Default: "traces.jsonl". */
  path?: string;
  /** The file is closed and another begun before it grows beyond this, in bytes. Default: 64 MiB. */
  maxBytes?: number;
  /** Closed files that are kept, the newest as `<path>.1`; older ones are removed. Default: 4. */
  keptFiles?: number;
  /**
   * What a crash of the whole machine may cost: "batch" writes every batch through to the disk before it counts as exported, "file"
   * every closed file, "never" leaves it to the system. A crash of the process costs nothing that was exported. Default: "file".
   */
  sync?: "batch" | "file" | "never";
  /** Told when writing begins to fail, and when it works again. Default: nobody. */
  logger?: Logger;
}

type FileSettings = Readonly<Required<Omit<FileOptions, "logger">>> & { readonly logger: Logger | undefined };

const optionChecks: OptionChecks<FileOptions> = {
  path: kind('the path of a file, or "-"', (given) => typeof given === "string" && given !== ""),
  maxBytes: numberFrom(1),
  keptFiles: wholeNumberFrom(0),
  sync: oneOf("batch", "file", "never"),
  logger: aLogger,
};

/** @throws CLEW_EXPORTER_FILE_OPTION */
export function resolveFileOptions(options: FileOptions = {}): FileSettings {
  checkOptions("FileExporter", options, optionChecks, fileOptionError);
  const { path = "traces.jsonl", maxBytes = 64 * 1024 * 1024, keptFiles = 4, sync = "file", logger } = options;
  return { path, maxBytes, keptFiles, sync, logger };
}

export interface FileStats {
  /** Spans written. */
  readonly exported: number;
  readonly writtenBytes: number;
  /** Files that were closed because they were full. */
  readonly rotations: number;
  /** Writes that failed; their spans are the caller's again. */
  readonly failedWrites: number;
  /** Why the last write failed; undefined when it did not. */
  readonly lastError: string | undefined;
}

/**
 * Writes spans into a file, a batch as one line of OTLP's JSON (OpenTelemetry Protocol File Exporter): what `otelcol`'s
 * otlpjsonfile receiver reads. The file belongs to one process. All work is done off the main thread; a disk that is full or gone
 * makes it "unavailable", and what half a line was written is taken back.
 *
 *     traces.jsonl ──full──▶ traces.jsonl.1 ──▶ traces.jsonl.2 ──▶ ... ──▶ removed
 */
export class FileExporter implements SpanExporter {
  readonly #settings: FileSettings;
  #file: FileHandle | undefined;
  /** Of whole lines. */
  #size = 0;
  /** One write at a time. */
  #last: Promise<unknown> = Promise.resolve();
  #isShutDown = false;

  #exported = 0;
  #writtenBytes = 0;
  #rotations = 0;
  #failedWrites = 0;
  #lastError: string | undefined;

  /** @throws CLEW_EXPORTER_FILE_OPTION */
  constructor(options?: FileOptions) {
    this.#settings = resolveFileOptions(options);
  }

  stats(): FileStats {
    return {
      exported: this.#exported,
      writtenBytes: this.#writtenBytes,
      rotations: this.#rotations,
      failedWrites: this.#failedWrites,
      lastError: this.#lastError,
    };
  }

  export(spans: readonly SpanData[]): Promise<ExportResult> {
    const writing = this.#last.then(() => this.#export(spans));
    this.#last = writing;
    return writing;
  }

  /** Waits for what is being written, and closes the file. */
  async shutdown(): Promise<void> {
    this.#isShutDown = true;
    await this.#last;
    await this.#close(this.#settings.sync !== "never");
  }

  async #export(spans: readonly SpanData[]): Promise<ExportResult> {
    if (this.#isShutDown) return { outcome: "failed", error: new Error("the exporter is shut down") };
    const { path, logger } = this.#settings;
    try {
      const line = Buffer.from(`${encodeRequestAsJson(spans)}\n`);
      if (path === "-") await print(line);
      else await this.#append(line);
      this.#exported += spans.length;
      this.#writtenBytes += line.length;
      if (this.#lastError !== undefined) logger?.info("spans are written again", { path });
      this.#lastError = undefined;
      return { outcome: "exported", rejectedSpans: 0 };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#failedWrites++;
      if (this.#lastError === undefined) {
        logger?.warn("spans cannot be written, trying again", { path, reason: error.message });
      }
      this.#lastError = error.message;
      // The next one opens it anew, and cuts it to the whole lines.
      await this.#close(false);
      return { outcome: "unavailable", error };
    }
  }

  async #append(line: Buffer): Promise<void> {
    const { maxBytes, sync } = this.#settings;
    this.#file ??= await this.#open();
    if (this.#size > 0 && this.#size + line.length > maxBytes) this.#file = await this.#rotate();
    await this.#file.appendFile(line);
    if (sync === "batch") await this.#file.datasync();
    this.#size += line.length;
  }

  async #open(): Promise<FileHandle> {
    const { path } = this.#settings;
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, "a");
    try {
      const { size } = await file.stat();
      // Not whole: the write that failed before. What another run left is kept as it is.
      if (this.#size > 0 && size > this.#size) await file.truncate(this.#size);
      else this.#size = size;
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #rotate(): Promise<FileHandle> {
    const { path, keptFiles, sync } = this.#settings;
    await this.#close(sync !== "never");
    await rm(`${path}.${keptFiles}`, { force: true });
    for (let number = keptFiles - 1; number >= 1; number--) await move(`${path}.${number}`, `${path}.${number + 1}`);
    if (keptFiles === 0) await rm(path, { force: true });
    else await move(path, `${path}.1`);
    this.#rotations++;
    this.#size = 0;
    return this.#open();
  }

  async #close(isSynced: boolean): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    try {
      if (isSynced) await file?.sync();
      await file?.close();
    } catch {
      // It was written, or told to be not; there is nothing to be done about a disk that fails now.
    }
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function print(line: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(line, (error) => (error ? reject(error) : resolve()));
  });
}
