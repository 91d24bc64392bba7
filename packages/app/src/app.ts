import { setTimeout as sleep } from "node:timers/promises";
import { current, run } from "@clew/context";
import type { Logger } from "@clew/log";
import { longestTimerMs } from "@clew/options";
import { createInstance, type Instance } from "@clew/registry";
import { serviceNameKey } from "@clew/rpc";
import { type AppInfo, appKey } from "./app-info.ts";
import { type AppOptions, checkServers, type ResolvedAppOptions, resolveAppOptions } from "./app-options.ts";
import { loadCluster } from "./cluster.ts";
import { appUsed, joinFailures, nameApp } from "./errors.ts";
import { Registration } from "./registration.ts";
import { Resources } from "./resources.ts";
import { type Hook, isInHook, runHook } from "./run-hook.ts";
import { markTold } from "./run-main.ts";
import type { Server } from "./server.ts";
import { ServerGroup } from "./server-group.ts";
import { listenToSignals } from "./stop-signals.ts";
import { TimeLimit } from "./time-limit.ts";
import { findWorkerLink, type WorkerLink } from "./worker.ts";
import { WorkerPool } from "./worker-pool.ts";

/** How long a server that was cut off may take to come back, in milliseconds. */
const cutOffGraceMs = 1_000;

/**
 * The life of a process: it starts its servers, waits to be told to stop, and stops them.
 *
 *     beforeStart ─▶ compose ─▶ servers start ─▶ register ─▶ afterStart ─▶ signal or stop()
 *          │            │             │              │                           ▼
 *          │            │             │              │       deregister ─▶ beforeStop ─▶ drain ─▶ servers stop ─▶ afterStop ─▶ close
 *          │            │             └──────────────┴─ failure or signal: what has started stops, the last first ──▲
 *          └────────────┴─ failure or signal ───────────────────────────────────────────────────────────────────────┘
 *
 * Servers that were up say that they are not ready any more when the app begins to stop, and accept until the drain delay is over. A
 * second signal ends the process at once, with exit code 1.
 *
 * With workers the primary runs no hook and none of the servers: it starts the workers, registers the app once all of them are
 * ready, and when told to stop has the workers say that they are not ready any more, deregisters it, waits for the drain delay and
 * tells the workers to stop. Each worker lives the rest of the life above. It leaves signals to the primary, and stops when that is
 * gone.
 */
export class App implements AppInfo {
  readonly #options: ResolvedAppOptions;
  /** Aborts when the app is told to stop, or one of its servers failed. */
  readonly #stopping: AbortController = new AbortController();
  #endpoints: readonly URL[] = [];
  #running: Promise<void> | undefined;
  readonly #resources: Resources = new Resources();
  /** With a registrar; the primary has it for its workers. */
  readonly #registration: Registration | undefined;
  /** In the primary, its workers. */
  readonly #pool: WorkerPool | undefined;
  /** In a worker, the way to the primary. */
  readonly #link: WorkerLink | undefined;
  readonly #logger: Logger;

  /** @throws CLEW_APP_OPTION for options that do not work */
  constructor(options: AppOptions = {}) {
    this.#options = resolveAppOptions(options);
    const { workers, logger, registrar, registrarTimeoutMs: timeoutMs } = this.#options;
    this.#link = workers === undefined ? undefined : findWorkerLink();
    this.#logger = this.#link === undefined ? logger : logger.with({ worker: this.#link.number });
    if (registrar !== undefined && this.#link === undefined) {
      this.#registration = new Registration({ registrar, timeoutMs, logger });
    }
    if (workers === undefined || this.#link !== undefined) return;
    // A process manager made this process one of many already, and cannot make more of it.
    if (loadCluster().isWorker)
      logger.warn("this process is a worker of another program: the app runs without workers");
    else this.#pool = this.#createPool(workers);
  }

  #createPool(count: number): WorkerPool {
    const { startTimeoutMs, stopTimeoutMs, beforeStop, afterStop, signals } = this.#options;
    return new WorkerPool({
      count,
      appId: this.id,
      logger: this.#logger,
      startTimeoutMs,
      stopTimeoutMs,
      // Each hook, and the closing of what was composed, has that time as well.
      killTimeoutMs: (beforeStop.length + afterStop.length + 2) * stopTimeoutMs + 2 * cutOffGraceMs,
      handlesHangUp: signals.length > 0 && !signals.includes("SIGHUP"),
      onStopAsked: () => this.#requestStop(),
      onEndpoints: (endpoints) => {
        this.#endpoints = this.#options.advertise(endpoints);
        this.#registration?.move(this.#toInstance());
      },
    });
  }

  get id(): string {
    return this.#link?.appId ?? this.#options.id;
  }

  get worker(): number | undefined {
    return this.#link?.number;
  }

  get name(): string {
    return this.#options.name;
  }

  get version(): string {
    return this.#options.version;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#options.metadata;
  }

  get endpoints(): readonly URL[] {
    return this.#endpoints;
  }

  /**
   * Starts everything, waits for a signal or {@link stop}, and stops everything. Resolves when all is stopped in order, also
   * when it was told to stop while starting. Rejects with what failed: one error as it is, several as an AggregateError; all
   * that had started is stopped by then.
   *
   * Hooks and servers run in a context where `currentApp()` is this app.
   *
   * @throws CLEW_APP_USED when the app has run already.
   */
  async run(): Promise<void> {
    if (this.#running !== undefined) throw appUsed(this.name);
    let context = current().setValue(appKey, this);
    // What others hear of it is a header, over gRPC as well.
    if (/^[\x21-\x7e]+$/.test(this.name)) context = context.setValue(serviceNameKey, this.name);
    this.#running = run(context, () => this.#runUnderSignals());
    return this.#running;
  }

  /**
   * Tells the app to stop, a worker all of it. Resolves when it has; in a hook, which the stop waits for itself, at once. What
   * fails meanwhile is reported by {@link run}.
   */
  async stop(): Promise<void> {
    if (this.#link === undefined || !(await this.#link.stopAll())) this.#requestStop();
    if (!isInHook(this)) await this.#running?.catch(() => {});
  }

  #requestStop(): void {
    this.#stopping.abort(new Error("the app stops"));
    this.#pool?.cancelStart();
  }

  get #isStopRequested(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #runUnderSignals(): Promise<void> {
    if (this.#link !== undefined) return this.#runAsWorker(this.#link);
    const unlisten = listenToSignals({
      signals: this.#options.signals,
      logger: this.#logger,
      onStop: () => this.#requestStop(),
      onExit: () => this.#pool?.kill(),
    });
    const unwatch = whenAborted(this.#options.signal, () => this.#requestStop());
    // Waiting for a signal alone does not keep a process alive, and an app without servers waits for nothing else.
    const alive = setInterval(() => {}, longestTimerMs);
    try {
      const failures = await this.#live();
      if (failures.length > 0) throw joinFailures(nameApp(this.name), failures);
    } finally {
      clearInterval(alive);
      unwatch();
      unlisten();
    }
  }

  async #runAsWorker(link: WorkerLink): Promise<void> {
    const { signals, signal: stopSignal } = this.#options;
    // On Ctrl-C the terminal signals every process. The primary tells the workers, when it is their turn.
    const ignore = (): void => {};
    if (signals.length > 0) for (const signal of [...signals, "SIGHUP"] as const) process.on(signal, ignore);
    link.onStop((reason) => {
      this.#logger.debug("stopping", { reason });
      this.#requestStop();
    });
    whenAborted(stopSignal, () => void this.stop());
    const failures = await this.#live();
    const failure = failures.length > 0 ? joinFailures(nameApp(this.name), failures) : undefined;
    if (failure !== undefined) {
      await link.failed(failure);
      markTold(failure);
    }
    link.end();
    if (failure !== undefined) throw failure;
  }

  /** The whole life; returns what failed in it. */
  async #live(): Promise<unknown[]> {
    const { beforeStop, afterStop, stopTimeoutMs, drainDelayMs } = this.#options;
    const logger = this.#logger;
    const hasHooks = this.#pool === undefined;
    const failures: unknown[] = [];
    const servers = new ServerGroup((error) => {
      // What fails while the app stops for another reason has been told enough.
      if (this.#isStopRequested) return;
      logger.error("a server failed: the app stops", { error });
      failures.push(error);
      this.#requestStop();
    });
    const isUp = await this.#start(servers, failures);
    const isWhole = isUp && failures.length === 0;
    // A worker's primary waits for the drain delay, and says when that begins.
    this.#link?.onDrain(() => failures.push(...servers.drain()));
    if (isWhole) await new Promise<void>((resolve) => whenAborted(this.#stopping.signal, resolve));
    // First, so that callers look elsewhere while the rest goes on.
    if (isUp) failures.push(...servers.drain());
    await this.#registration?.deregister().catch((error) => failures.push(error));
    // Also when an afterStart hook failed: those before it have done what beforeStop undoes.
    if (isUp && hasHooks) await this.#runAll(beforeStop, "a beforeStop hook", failures);
    if (isWhole && this.#link === undefined && drainDelayMs > 0) await sleep(drainDelayMs);
    // The pool keeps to limits of its own: those of each worker.
    const limitMs = this.#pool === undefined ? stopTimeoutMs + cutOffGraceMs : longestTimerMs;
    failures.push(...(await servers.stop({ stopTimeoutMs, limitMs, isOneByOne: !isUp, logger })));
    this.#endpoints = [];
    if (hasHooks) await this.#runAll(afterStop, "an afterStop hook", failures);
    try {
      await this.#resources.close(stopTimeoutMs);
    } catch (error) {
      failures.push(...(error instanceof AggregateError ? error.errors : [error]));
    }
    if (failures.length === 0) logger.info("stopped");
    return failures;
  }

  /**
   * Hooks and servers up to the last afterStart hook. Adds what failed to `failures`; returns whether all servers accept and the
   * afterStart hooks had their turn.
   */
  async #start(servers: ServerGroup, failures: unknown[]): Promise<boolean> {
    const { startTimeoutMs, stopTimeoutMs } = this.#options;
    const { signal: stopSignal } = this.#stopping;
    const { beforeStart, afterStart } = this.#pool === undefined ? this.#options : { beforeStart: [], afterStart: [] };
    let isUp = false;
    // A worker has its own limit, and tells more of what took so long.
    const limit = new TimeLimit("startTimeoutMs", startTimeoutMs + (this.#pool === undefined ? 0 : 2 * cutOffGraceMs));
    // A start that goes on when nobody wants it any more gets no longer than a stop.
    const unwatch = whenAborted(stopSignal, () => limit.tighten("stopTimeoutMs", stopTimeoutMs));
    try {
      for (const hook of beforeStart) {
        if (this.#isStopRequested) return isUp;
        await runHook(hook, this, limit, "a beforeStart hook");
      }
      if (this.#isStopRequested) return isUp;
      const composed = await limit.race(() => this.#compose(), "the composition of the servers");
      if (this.#isStopRequested) return isUp;
      if (composed.length === 0 && beforeStart.length === 0 && afterStart.length === 0) {
        this.#logger.warn("the app has neither servers nor hooks that start something: it waits to be told to stop");
      }
      failures.push(...(await servers.start(composed, limit)));
      if (failures.length > 0) return isUp;
      for (const { href } of servers.mainEndpoints()) {
        this.#logger.info("server listening", { endpoint: href.replace(/\/$/, "") });
      }
      this.#endpoints = this.#options.advertise(servers.endpoints());
      // Told to stop meanwhile, nobody needs to find it.
      if (!this.#isStopRequested) await this.#registration?.register(this.#toInstance(), limit, stopSignal);
      isUp = true;
      for (const hook of afterStart) {
        if (this.#isStopRequested) break;
        await runHook(hook, this, limit, "an afterStart hook");
      }
      // Also when told to stop meanwhile: it did start.
      await this.#link?.ready(servers.endpoints());
    } catch (error) {
      failures.push(error);
    } finally {
      unwatch();
      limit.end();
    }
    return isUp;
  }

  async #compose(): Promise<readonly Server[]> {
    if (this.#pool !== undefined) return [this.#pool];
    const servers = await this.#options.servers(this.#resources, this);
    checkServers(servers);
    return [...servers];
  }

  /** The app as callers are to find it. */
  #toInstance(): Instance {
    const { id, name, version, metadata } = this;
    const endpoints = [...new Set(this.#endpoints.map(({ href }) => href.replace(/\/$/, "")))];
    return createInstance({ id, name, version, metadata, endpoints });
  }

  /** Runs all hooks, whatever fails. */
  async #runAll(hooks: readonly Hook[], what: string, failures: unknown[]): Promise<void> {
    for (const hook of hooks) {
      const limit = new TimeLimit("stopTimeoutMs", this.#options.stopTimeoutMs);
      try {
        await runHook(hook, this, limit, what);
      } catch (error) {
        failures.push(error);
      } finally {
        limit.end();
      }
    }
  }
}

/** Calls `tell` when the signal aborts, at once if it has; until the function that it returns is called. */
function whenAborted(signal: AbortSignal | undefined, tell: () => void): () => void {
  if (signal?.aborted) tell();
  else signal?.addEventListener("abort", tell, { once: true });
  return () => signal?.removeEventListener("abort", tell);
}
