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
  /** The folder that all processes share; it is made when it is missing. Default: ".clew/registry" in the user's home. */
  folder?: string;
  /** How often a registered process says that it is alive, in milliseconds. Default: 2_000. */
  heartbeatMs?: number;
  /** How long after its last sign of life an instance counts as gone, in milliseconds. Default: 3 heartbeats. */
  ttlMs?: number;
  /** How often a watch looks for those that are gone, and where the system tells of no changes, in milliseconds. Default: 500. */
  checkMs?: number;
  /** Told of files that hold no instance. Default: a logger named "registry". */
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
    throw optionError(`option ttlMs is ${ttlMs}; it must be more milliseconds than heartbeatMs (${heartbeatMs})`);
  }
  const logger = options.logger ?? createLogger({ name: "registry" });
  return { folder: resolve(folder), heartbeatMs, ttlMs, checkMs, logger };
}

/** Who keeps an instance's file alive; beside the instance's own keys, which a reader that does not know it leaves alone. */
interface Lease {
  readonly pid: number;
  readonly host: string;
  readonly ttlMs: number;
}

/** What a file of the folder holds, and whether its instance counts. */
interface StoredInstance {
  readonly path: string;
  readonly instance: Instance;
  readonly isAlive: boolean;
}

/** What this process keeps in the folder. */
interface Registration {
  readonly path: string;
  readonly text: string;
  readonly timer: NodeJS.Timeout;
}

/**
 * A registry in a folder, for several processes on one machine that find each other with nothing to install:
 *
 *     ~/.clew/registry/helloworld/5f0c….json    one file for each instance: its JSON, and the lease of its process
 *
 * A file is written beside and renamed, so a reader never sees half of one. Its time is its owner's heartbeat: it counts until
 * `ttlMs` after it, and no longer than the process that owns it lives where that can be looked up, which is on the same host. A
 * file without a lease, written by hand, counts as long as it is there.
 */
export class FileRegistry implements Registrar, Discovery {
  readonly #options: ResolvedFileRegistryOptions;
  readonly #registrations: Map<string, Registration> = new Map();
  // Told once: a broken file would otherwise be told at each look.
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
    // One look at a time, and one more when something changed meanwhile.
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
          // The timer goes on looking.
          watcher.on("error", () => watcher?.close());
        }
      } catch {
        // Where the system cannot tell (inotify used up, a network mount, a folder that may only be read) the timer looks.
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

  /** A sign of life; the whole file again when somebody took it away. */
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
        // Deregistered while it was written.
        if (this.#registrations.get(path) !== registration) await rm(path, { force: true });
      } catch (error) {
        // The next beat tries again.
        this.#options.logger.warn("cannot keep an instance registered", { path, error });
      }
    }
  }

  /** Takes away what dead processes left behind. */
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
        // It went between the two looks, or it is none of ours: one bad file must not hide the others.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#warn(path, error);
      }
    }
    return stored;
  }

  #warn(path: string, error: unknown): void {
    if (this.#warned.has(path)) return;
    this.#warned.add(path);
    const problem = error instanceof Error ? error.message : String(error);
    this.#options.logger.warn("a file in the registry holds no instance", { path, problem });
  }

  #folderOf(name: string): string {
    if (typeof name !== "string" || name === "") throw nameInvalid(name);
    return join(this.#options.folder, toFileName(name));
  }

  #pathOf({ name, id }: Instance): string {
    return join(this.#folderOf(name), `${toFileName(id)}.json`);
  }
}

/** Text as the name of one file: nothing in it leads elsewhere, and it is not hidden. */
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
    // EPERM: there is such a process, of another user.
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
