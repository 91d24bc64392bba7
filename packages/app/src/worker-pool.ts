import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@clew/log";
import { loadCluster } from "./cluster.ts";
import { crashLoop, joinFailures, messageOf, timedOut, workersNeedFile, workersTwice } from "./errors.ts";
import type { Server } from "./server.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface WorkerPoolOptions {
  /** The number of processes. */
  readonly count: number;
  readonly appId: string;
  readonly logger: Logger;
  /** How long a worker may take until it is ready, in milliseconds. */
  readonly startTimeoutMs: number;
  /** How long a worker may drain, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** How long a worker may take to end after it was told to stop, in milliseconds. Then it is killed. */
  readonly killTimeoutMs: number;
  /** Whether SIGHUP replaces the workers. */
  readonly handlesHangUp: boolean;
  /** Called when a worker asks to stop the whole app. */
  readonly onStopAsked: () => void;
  /** Called when the workers' endpoints change: with port 0, after all workers had died. */
  readonly onEndpoints: (endpoints: readonly URL[]) => void;
}

/** A worker that dies within this time after its start counts towards a crash loop. */
const stableMs = 10_000;
const maxDeaths = 5;
/**
 * The wait before the second death in a row is made good, in milliseconds; each further death doubles it. The first one is
 * made good at once.
 */
const backoffMs = 500;

let isAnyRunning = false;

/**
 * The processes of an app, which the primary treats as one Server. Each process runs the program's file again. The primary opens
 * the ports (node:cluster) and hands each connection to one of the workers, so a port stays open while a worker dies.
 *
 *     worker 1 ─ ready ─▶ died ─▶ wait 0, 0.5, 1, 2 s ─▶ worker 1 ...
 *                          └─ 5 times, each soon after its start: the app stops
 */
export class WorkerPool implements Server {
  readonly #options: WorkerPoolOptions;
  /** The process of each number; while a process is being replaced, also the one before. */
  readonly #processes: Set<WorkerProcess> = new Set();
  readonly #failed: PromiseWithResolvers<never> = Promise.withResolvers<never>();
  /** The failures that the workers reported while they stopped. */
  readonly #failures: unknown[] = [];
  readonly #stopping: AbortController = new AbortController();
  #isCancelled = false;
  #endpoints: readonly URL[] = [];
  #isUp = false;
  #isDraining = false;
  #restarting: Promise<void> | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    // The failure may come when nobody listens.
    this.#failed.promise.catch(() => {});
  }

  async start(): Promise<void> {
    if (isAnyRunning) throw workersTwice();
    if (loadCluster().settings.exec === undefined && process.argv[1] === undefined) throw workersNeedFile();
    isAnyRunning = true;
    // No worker may survive the primary, however it ends.
    process.once("exit", this.kill);
    if (this.#options.handlesHangUp) process.on("SIGHUP", this.#onHangUp);
    try {
      const numbers = Array.from({ length: this.#options.count }, (_, index) => index + 1);
      await Promise.all(numbers.map((number) => this.#launch(number, 0)));
      this.#isUp = true;
    } catch (error) {
      // The other workers failed for the same reason, or were told to stop: their failures add nothing.
      await this.#stopAll().catch(() => {});
      // Workers that are told to stop during the start end before they are ready.
      if (!this.#isCancelled) throw error;
    }
  }

  /**
   * Ends a start that nobody waits for any more: workers that are not ready are told to stop, and start() resolves as
   * if it had succeeded.
   */
  cancelStart(): void {
    if (this.#isUp) return;
    this.#isCancelled = true;
    for (const one of this.#processes) one.stop();
  }

  /** Tells the workers to stop one after the other, so that some accept while others drain. Each has its share of the time. */
  async stop(_signal: AbortSignal): Promise<void> {
    await this.#stopAll();
  }

  /** Tells the workers that they will be stopped soon. */
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

  /** One after the other: the next worker starts, then the one before is told to stop. */
  async #restartAll(): Promise<void> {
    const { logger } = this.#options;
    logger.info("restarting the workers, one after the other");
    for (const old of [...this.#processes]) {
      // A worker that is still starting becomes ready first, and is then replaced in its turn.
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
        logger.error("the new worker could not start; the old one continues, and so do the workers not restarted yet", {
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

  /** Starts a worker and resolves when it is ready. From then on the worker is replaced when it dies. */
  async #launch(number: number, deaths: number): Promise<void> {
    const { appId, logger, startTimeoutMs, onStopAsked } = this.#options;
    const one = new WorkerProcess(number, appId, {
      onStopAsked,
      // A worker that is gone no longer counts itself.
      hasOther: () => [...this.#processes].some(({ isAccepting }) => isAccepting),
    });
    this.#processes.add(one);
    void one.ended.then(() => this.#processes.delete(one));
    // A worker that does not even reach its app's own limit: its program waits for something before the app starts.
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
      else if (one.hasSuccessor)
        logger.warn("a worker died; its successor is starting already", { worker: number, reason });
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
      logger.warn("a worker died; a new one replaces it", { worker: number, reason, waitMs });
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
    // Each worker has at least half of the time for its drain.
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
