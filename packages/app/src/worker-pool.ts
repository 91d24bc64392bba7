import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@clew/log";
import { loadCluster } from "./cluster.ts";
import { crashLoop, joinFailures, messageOf, timedOut, workersNeedFile, workersTwice } from "./errors.ts";
import type { Server } from "./server.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface WorkerPoolOptions {
  /** How many processes. */
  readonly count: number;
  readonly appId: string;
  readonly logger: Logger;
  /** How long a worker may take to be ready, in milliseconds. */
  readonly startTimeoutMs: number;
  /** How long a worker may drain, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** How long a worker may take to end once it was told to, in milliseconds; then it is killed. */
  readonly killTimeoutMs: number;
  /** Whether SIGHUP replaces the workers. */
  readonly handlesHangUp: boolean;
  /** A worker asks that the whole app stops. */
  readonly onStopAsked: () => void;
  /** Workers are reached elsewhere than before: with port 0, when all of them had died. */
  readonly onEndpoints: (endpoints: readonly URL[]) => void;
}

/** A worker that dies within this time of its start counts towards a crash loop. */
const stableMs = 10_000;
const maxDeaths = 5;
/** The wait before the second death in a row is made good; each further one doubles it. The first is made good at once. */
const backoffMs = 500;

let isAnyRunning = false;

/**
 * The processes of an app, seen from the primary as one Server. They run the program's file again; what they listen on is opened
 * by the primary (node:cluster), which hands each connection to one of them, so a port stays open while a worker dies.
 *
 *     worker 1 ─ ready ─▶ died ─▶ wait 0, 0.5, 1, 2 s ─▶ worker 1 ...
 *                          └─ 5 times, each soon after its start: the app stops
 */
export class WorkerPool implements Server {
  readonly #options: WorkerPoolOptions;
  /** The process of each number, and while it is replaced also the one before. */
  readonly #processes: Set<WorkerProcess> = new Set();
  readonly #failed: PromiseWithResolvers<never> = Promise.withResolvers<never>();
  /** What the workers told while they stopped. */
  readonly #failures: unknown[] = [];
  readonly #stopping: AbortController = new AbortController();
  #isCancelled = false;
  #endpoints: readonly URL[] = [];
  #isUp = false;
  #isDraining = false;
  #restarting: Promise<void> | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    // Nobody may be listening when it happens.
    this.#failed.promise.catch(() => {});
  }

  async start(): Promise<void> {
    if (isAnyRunning) throw workersTwice();
    if (loadCluster().settings.exec === undefined && process.argv[1] === undefined) throw workersNeedFile();
    isAnyRunning = true;
    // However the primary ends, nobody is left behind.
    process.once("exit", this.kill);
    if (this.#options.handlesHangUp) process.on("SIGHUP", this.#onHangUp);
    try {
      const numbers = Array.from({ length: this.#options.count }, (_, index) => index + 1);
      await Promise.all(numbers.map((number) => this.#launch(number, 0)));
      this.#isUp = true;
    } catch (error) {
      // The others failed for the same reason, or are told to stop; what they tell adds nothing.
      await this.#stopAll().catch(() => {});
      // Told to stop, they end before they are ready.
      if (!this.#isCancelled) throw error;
    }
  }

  /** Nobody wants the start any more: what is not ready is told to stop, and the start ends as if all were well. */
  cancelStart(): void {
    if (this.#isUp) return;
    this.#isCancelled = true;
    for (const one of this.#processes) one.stop();
  }

  /** Tells one worker after the other to stop, so that some accept while others drain; none waits for longer than its share. */
  async stop(_signal: AbortSignal): Promise<void> {
    await this.#stopAll();
  }

  /** Tells the workers that they will be stopped. */
  drain(): void {
    this.#isDraining = true;
    for (const one of this.#processes) one.drain();
  }

  endpoints(): readonly URL[] {
    return this.#endpoints;
  }

  failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Ends all workers at once. */
  readonly kill = (): void => {
    for (const one of this.#processes) one.kill();
  };

  readonly #onHangUp = (): void => {
    if (!this.#isUp || this.#stopping.signal.aborted || this.#restarting !== undefined) return;
    this.#restarting = this.#restartAll().finally(() => {
      this.#restarting = undefined;
    });
  };

  /** One after the other: the next worker comes up, then the one before is told to stop. */
  async #restartAll(): Promise<void> {
    const { logger } = this.#options;
    logger.info("restarting the workers, one after the other");
    for (const old of [...this.#processes]) {
      // One that still starts comes up first, and then it is its turn.
      await old.ready.catch(() => {});
      if (this.#stopping.signal.aborted) return;
      // It died meanwhile, and is being replaced anyway.
      if (!this.#processes.has(old)) continue;
      try {
        old.hasSuccessor = true;
        await this.#launch(old.number, 0);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        old.hasSuccessor = false;
        logger.error("the new worker could not start; the one before goes on, and so do all that are left", {
          worker: old.number,
          error,
        });
        if (!this.#processes.has(old)) void this.#replace(old.number, 1, messageOf(error));
        return;
      }
      await this.#stopOne(old);
    }
    logger.info("all workers are restarted");
  }

  /** Starts a worker; resolves when it is ready, and from then on replaces it when it dies. */
  async #launch(number: number, deaths: number): Promise<void> {
    const { appId, logger, startTimeoutMs, onStopAsked } = this.#options;
    const one = new WorkerProcess(number, appId, {
      onStopAsked,
      // Of itself it says so no more.
      hasOther: () => [...this.#processes].some(({ isAccepting }) => isAccepting),
    });
    this.#processes.add(one);
    void one.ended.then(() => this.#processes.delete(one));
    // One that does not even come to its app's own limit: its program waits for something before.
    const timer = setTimeout(() => {
      one.failures.push(timedOut(`the start of worker ${number}`, "startTimeoutMs", startTimeoutMs));
      one.kill();
    }, startTimeoutMs + 1_000);
    let endpoints: readonly URL[];
    try {
      endpoints = await one.ready;
    } catch (error) {
      await one.ended;
      throw error;
    } finally {
      clearTimeout(timer);
    }
    logger.info("worker ready", { worker: number, pid: one.pid });
    if (this.#isDraining) one.drain();
    this.#takeEndpoints(endpoints);
    void one.ended.then((reason) => {
      if (one.isStopping) this.#failures.push(...one.failures);
      else if (one.hasSuccessor) logger.warn("a worker died; another starts already", { worker: number, reason });
      else void this.#replace(number, one.readyForMs() < stableMs ? deaths + 1 : 1, reason);
    });
  }

  async #replace(number: number, deaths: number, reason: string): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    for (let count = deaths; !signal.aborted; count += 1) {
      if (count >= maxDeaths) {
        this.#failed.reject(crashLoop(number, count, reason));
        return;
      }
      const waitMs = count <= 1 ? 0 : backoffMs * 2 ** (count - 2);
      logger.warn("a worker died; another takes its place", { worker: number, reason, waitMs });
      try {
        await sleep(waitMs, undefined, { signal });
        await this.#launch(number, count);
        return;
      } catch (error) {
        reason = messageOf(error);
      }
    }
  }

  #takeEndpoints(endpoints: readonly URL[]): void {
    const isSame = endpoints.map(String).join() === this.#endpoints.map(String).join();
    if (isSame || endpoints.length === 0) return;
    this.#endpoints = endpoints;
    if (this.#isUp) this.#options.onEndpoints(endpoints);
  }

  async #stopAll(): Promise<void> {
    const { stopTimeoutMs } = this.#options;
    process.off("SIGHUP", this.#onHangUp);
    this.#stopping.abort();
    // Each has at least half of the time for its drain.
    const shareMs = stopTimeoutMs / 2 / Math.max(1, this.#processes.size);
    const stops: Promise<void>[] = [];
    for (const one of [...this.#processes].sort((a, b) => a.number - b.number)) {
      const stopped = this.#stopOne(one);
      stops.push(stopped);
      const share = new AbortController();
      await Promise.race([stopped, sleep(shareMs, undefined, { signal: share.signal }).catch(() => {})]);
      share.abort();
    }
    await Promise.all(stops);
    process.off("exit", this.kill);
    isAnyRunning = false;
    if (this.#failures.length > 0) throw joinFailures("workers", this.#failures);
  }

  async #stopOne(one: WorkerProcess): Promise<void> {
    const { killTimeoutMs, logger } = this.#options;
    one.stop();
    const timer = setTimeout(() => {
      logger.warn("killing a worker that does not stop", { worker: one.number, pid: one.pid });
      one.failures.push(timedOut(`the stop of worker ${one.number}`, "stopTimeoutMs", killTimeoutMs));
      one.kill();
    }, killTimeoutMs);
    await one.ended;
    clearTimeout(timer);
  }
}
