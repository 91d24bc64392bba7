import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "@clew/log";
import { aLogger, checkOptions, kind, numberFrom, type OptionChecks, oneOf, wholeNumberFrom } from "@clew/options";
import type { ExportResult, SpanData, SpanExporter } from "@clew/trace";
import { encodeRequestAsJson } from "@clew/trace/otel";
import { fileOptionError } from "./errors.ts";

export interface FileOptions {
  /** The path of the file; missing folders are created. `"-"` is standard output. Default: "traces.jsonl". */
  path?: string;
  /** The maximum size of a file, in bytes; before a file grows larger, it is closed and a new one begun. Default: 64 MiB. */
  maxBytes?: number;
  /** The number of closed files to keep, the newest as `<path>.1`; older ones are removed. Default: 4. */
  keptFiles?: number;
  /**
   * When data is synced to the disk, in case the machine crashes: "batch" syncs every batch before it counts as exported, "file" every
   * closed file, "never" leaves it to the system. A crash of only the process loses nothing that was exported. Default: "file".
   */
  sync?: "batch" | "file" | "never";
  /** Logs when writing begins to fail, and when it works again. Default: nothing is logged. */
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
  /** Writes that failed; the caller keeps their spans. */
  readonly failedWrites: number;
  /** Why the last write failed; undefined when it succeeded. */
  readonly lastError: string | undefined;
}

/**
 * Writes spans into a file. Each batch is one line of OTLP's JSON (OpenTelemetry Protocol File Exporter), which `otelcol`'s
 * otlpjsonfile receiver reads. Only one process may write the file. File operations run off the main thread. With a full or missing
 * disk the outcome is "unavailable", and an incomplete line is removed.
 *
 *     traces.jsonl ──full──▶ traces.jsonl.1 ──▶ traces.jsonl.2 ──▶ ... ──▶ removed
 */
export class FileExporter implements SpanExporter {
  readonly #settings: FileSettings;
  #file: FileHandle | undefined;
  /** The length of all complete lines, in bytes. */
  #size = 0;
  /** The last write; the next one starts after it. */
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
      // The next write opens the file again, and truncates it to complete lines.
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
      // Removes the incomplete line of a failed write. Contents from another run are kept unchanged.
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
      // The result of each write has been reported already; nothing can be done about a disk that fails now.
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
