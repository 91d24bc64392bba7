import { type FSWatcher, watch as watchFolder } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";
import { createLogger, type Logger } from "@clew/log";
import { aLogger, aNumber, checkOptions, kind, millisecondsFrom, type OptionChecks } from "@clew/options";
import type { Discovery } from "./discovery.ts";
import { nameInvalid, optionError } from "./errors.ts";
import { formatInstance, type Instance, parseInstance } from "./instance.ts";
import { ListWatch } from "./list-watch.ts";
import type { Registrar } from "./registrar.ts";

export interface FileRegistryOptions {
  /** The folder that all processes share. It is created if it is missing. Default: ".clew/registry" in the user's home. */
  folder?: string;
  /** How often a registered process renews its registration, in milliseconds. Default: 2_000. */
  heartbeatMs?: number;
  /** How long after its last heartbeat an instance counts as gone, in milliseconds. Default: 3 heartbeats. */
  ttlMs?: number;
  /**
   * How often a watch checks for instances that are gone, and for all changes where the system does not report them, in
   * milliseconds. Default: 500.
   */
  checkMs?: number;
  /** Gets a warning for files that contain no instance. Default: a logger named "registry". */
  logger?: Logger;
}

type ResolvedFileRegistryOptions = Required<FileRegistryOptions>;

const optionChecks: OptionChecks<FileRegistryOptions> = {
  folder: kind("the path of a folder", (given) => typeof given === "string" && given !== ""),
  heartbeatMs: millisecondsFrom(1),
  ttlMs: aNumber,
  checkMs: millisecondsFrom(1),
  logger: aLogger,
};

function resolveFileRegistryOptions(options: FileRegistryOptions): ResolvedFileRegistryOptions {
  checkOptions("FileRegistry", options, optionChecks, optionError);
  const { folder = join(homedir(), ".clew", "registry"), heartbeatMs = 2_000, checkMs = 500 } = options;
  const ttlMs = options.ttlMs ?? 3 * heartbeatMs;
  if (!(ttlMs > heartbeatMs)) {
    throw optionError(`option ttlMs is ${ttlMs}; it must be greater than heartbeatMs (${heartbeatMs})`);
  }
  const logger = options.logger ?? createLogger({ name: "registry" });
  return { folder: resolve(folder), heartbeatMs, ttlMs, checkMs, logger };
}

/**
 * The process that keeps an instance's file alive. It is stored beside the instance's own keys; readers that do not know it
 * ignore it.
 */
interface Lease {
  readonly pid: number;
  readonly host: string;
  readonly ttlMs: number;
}

/** The content of a file, and whether its instance counts. */
interface StoredInstance {
  readonly path: string;
  readonly instance: Instance;
  readonly isAlive: boolean;
}

/** A registration of this process. */
interface Registration {
  readonly path: string;
  readonly text: string;
  readonly timer: NodeJS.Timeout;
}

/**
 * A registry in a folder. With it, several processes on one machine find each other, with nothing to install:
 *
 *     ~/.clew/registry/helloworld/5f0c….json    one file for each instance: its JSON, and the lease of its process
 *
 * A file is written under another name and then renamed, so a reader never sees half of it. Its modification time is its
 * owner's heartbeat. The instance counts until `ttlMs` after it; on the same host, where the owner process can be looked up, it
 * counts no longer than that process lives. A file without a lease, written by hand, counts as long as it exists.
 */
export class FileRegistry implements Registrar, Discovery {
  readonly #options: ResolvedFileRegistryOptions;
  readonly #registrations: Map<string, Registration> = new Map();
  // A broken file is reported once, not at every check.
  readonly #warned: Set<string> = new Set();

  /** @throws CLEW_REGISTRY_OPTION */
  constructor(options: FileRegistryOptions = {}) {
    this.#options = resolveFileRegistryOptions(options);
  }

  async register(instance: Instance, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const known = parseInstance(instance);
    const { heartbeatMs, ttlMs } = this.#options;
    const path = this.#pathOf(known);
    const lease: Lease = { pid: process.pid, host: hostname(), ttlMs };
    const text = JSON.stringify({ ...JSON.parse(formatInstance(known)), lease });
    await this.#sweep(known.name);
    await write(path, text);
    clearInterval(this.#registrations.get(path)?.timer);
    const timer = setInterval(() => void this.#beat(path), heartbeatMs).unref();
    this.#registrations.set(path, { path, text, timer });
  }

  async deregister(instance: Instance, signal?: AbortSignal): Promise<void> {
    const path = this.#pathOf(instance);
    clearInterval(this.#registrations.get(path)?.timer);
    this.#registrations.delete(path);
    signal?.throwIfAborted();
    await rm(path, { force: true });
  }

  async list(name: string, signal?: AbortSignal): Promise<readonly Instance[]> {
    signal?.throwIfAborted();
    const instances: Instance[] = [];
    for (const { instance, isAlive } of await this.#read(name)) if (isAlive) instances.push(instance);
    return instances;
  }

  watch(name: string, signal: AbortSignal): AsyncIterable<readonly Instance[]> {
    return new ListWatch(name, signal, (watch) => this.#feed(name, watch));
  }

  #feed(name: string, watch: ListWatch): () => void {
    let watcher: FSWatcher | undefined;
    let isOver = false;
    let isReading = false;
    let isStale = false;
    // One check at a time, and one more if something changed meanwhile.
    const look = async (): Promise<void> => {
      isStale = true;
      if (isReading) return;
      isReading = true;
      try {
        while (isStale && !isOver) {
          isStale = false;
          watch.push(await this.list(name));
        }
      } catch (error) {
        watch.fail(error);
      } finally {
        isReading = false;
      }
    };
    const begin = async (): Promise<void> => {
      const folder = this.#folderOf(name);
      try {
        await mkdir(folder, { recursive: true });
        if (!isOver) {
          watcher = watchFolder(folder, { persistent: false }, () => void look());
          // The timer continues to check.
          watcher.on("error", () => watcher?.close());
        }
      } catch {
        // Where the system cannot report changes (inotify exhausted, a network mount, a folder without permission to watch),
        // the timer checks.
      }
      await look();
    };
    const timer = setInterval(() => void look(), this.#options.checkMs).unref();
    void begin();
    return () => {
      isOver = true;
      clearInterval(timer);
      watcher?.close();
    };
  }

  /** Renews the heartbeat; writes the file again if somebody removed it. */
  async #beat(path: string): Promise<void> {
    const registration = this.#registrations.get(path);
    if (registration === undefined) return;
    const now = new Date();
    try {
      await utimes(path, now, now);
    } catch {
      if (this.#registrations.get(path) !== registration) return;
      try {
        await write(path, registration.text);
        // It was deregistered while the file was written.
        if (this.#registrations.get(path) !== registration) await rm(path, { force: true });
      } catch (error) {
        // The next heartbeat tries again.
        this.#options.logger.warn("cannot renew the registration of an instance", { path, error });
      }
    }
  }

  /** Removes the files of dead processes. */
  async #sweep(name: string): Promise<void> {
    const dead = (await this.#read(name)).filter(({ isAlive }) => !isAlive);
    await Promise.all(dead.map(({ path }) => rm(path, { force: true })));
  }

  async #read(name: string): Promise<StoredInstance[]> {
    const folder = this.#folderOf(name);
    let files: string[];
    try {
      files = await readdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    const stored: StoredInstance[] = [];
    for (const file of files.filter((one) => one.endsWith(".json")).sort()) {
      const path = join(folder, file);
      try {
        const [text, { mtimeMs }] = await Promise.all([readFile(path, "utf8"), stat(path)]);
        const record: unknown = JSON.parse(text);
        const instance = parseInstance(record);
        const { lease } = record as { lease?: Partial<Lease> };
        const isAlive = lease === undefined || isHeld(lease, mtimeMs);
        if (instance.name === name) stored.push({ path, instance, isAlive });
        this.#warned.delete(path);
      } catch (error) {
        // The file disappeared meanwhile, or it is not a file of the registry: one bad file must not hide the others.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#warn(path, error);
      }
    }
    return stored;
  }

  #warn(path: string, error: unknown): void {
    if (this.#warned.has(path)) return;
    this.#warned.add(path);
    const problem = error instanceof Error ? error.message : String(error);
    this.#options.logger.warn("a file in the registry folder contains no instance", { path, problem });
  }

  #folderOf(name: string): string {
    if (typeof name !== "string" || name === "") throw nameInvalid(name);
    return join(this.#options.folder, toFileName(name));
  }

  #pathOf({ name, id }: Instance): string {
    return join(this.#folderOf(name), `${toFileName(id)}.json`);
  }
}

/** Converts text to the name of one file: it cannot lead to another folder, and is not hidden. */
function toFileName(text: string): string {
  return encodeURIComponent(text).replace(/^\./, "%2E").replaceAll("*", "%2A");
}

function isHeld(lease: Partial<Lease>, mtimeMs: number): boolean {
  if (typeof lease.ttlMs === "number" && Date.now() - mtimeMs > lease.ttlMs) return false;
  return lease.host !== hostname() || typeof lease.pid !== "number" || isRunning(lease.pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

let written = 0;

async function write(path: string, text: string): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  const draft = `${path}.${process.pid}-${++written}`;
  try {
    await writeFile(draft, text);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
