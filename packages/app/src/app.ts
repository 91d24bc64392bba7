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

/** How much longer than its limit a server may take to stop after its work was cut off, in milliseconds. */
const cutOffGraceMs = 1_000;

/**
 * Runs the life of a process: it starts the servers, waits until it is told to stop, and stops them.
 *
 *     beforeStart ─▶ compose ─▶ servers start ─▶ register ─▶ afterStart ─▶ signal or stop()
 *          │            │             │              │                           ▼
 *          │            │             │              │       deregister ─▶ beforeStop ─▶ drain ─▶ servers stop ─▶ afterStop ─▶ close
 *          │            │             └──────────────┴─ failure or signal: what has started stops, the last first ──▲
 *          └────────────┴─ failure or signal ───────────────────────────────────────────────────────────────────────┘
 *
 * When the app begins to stop, servers that were up report that they are not ready any more, and continue to accept until the drain
 * delay is over. A second signal ends the process at once, with exit code 1.
 *
 * With workers, the primary runs neither hooks nor servers. It starts the workers and registers the app once all of them are ready.
 * When told to stop, the primary makes the workers report that they are not ready any more, deregisters the app, waits for the drain
 * delay and tells the workers to stop. Each worker runs the rest of the life shown above. A worker leaves signals to the primary,
 * and stops when the primary is gone.
 */
export class App implements AppInfo {
  readonly #options: ResolvedAppOptions;
  /** Aborts when the app is told to stop, or when one of its servers failed. */
  readonly #stopping: AbortController = new AbortController();
  #endpoints: readonly URL[] = [];
  #running: Promise<void> | undefined;
  readonly #resources: Resources = new Resources();
  /** Set if the app has a registrar. With workers, only the primary has it. */
  readonly #registration: Registration | undefined;
  /** Only in the primary: its workers. */
  readonly #pool: WorkerPool | undefined;
  /** Only in a worker: the connection to the primary. */
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
    // A process manager started this process as one of several workers: such a process cannot fork workers of its own.
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
      // Each hook may take stopTimeoutMs as well, and so may the closing of the resources.
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
   * Starts everything, waits for a signal or {@link stop}, and stops everything. Resolves when everything has stopped in
   * order, also when the app was told to stop while it was starting. Rejects with the failure, or with an AggregateError of
   * several failures; everything that had started has stopped by then.
   *
   * Hooks and servers run in a context where `currentApp()` is this app.
   *
   * @throws CLEW_APP_USED when run() was called before.
   */
  async run(): Promise<void> {
    if (this.#running !== undefined) throw appUsed(this.name);
    let context = current().setValue(appKey, this);
    // The name is sent to other services as a header, also over gRPC.
    if (/^[\x21-\x7e]+$/.test(this.name)) context = context.setValue(serviceNameKey, this.name);
    this.#running = run(context, () => this.#runUnderSignals());
    return this.#running;
  }

  /**
   * Tells the app to stop; called in a worker, it stops all workers. Resolves when the app has stopped. Inside a hook it
   * resolves at once, because the stop itself waits for the hook. Failures during the stop are reported by {@link run}.
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
    // Listening for a signal does not keep a process alive, and an app without servers has nothing else that does.
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
    // On Ctrl-C the terminal signals every process. The primary tells each worker when to stop.
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

  /** Runs the whole life. Returns the failures. */
  async #live(): Promise<unknown[]> {
    const { beforeStop, afterStop, stopTimeoutMs, drainDelayMs } = this.#options;
    const logger = this.#logger;
    const hasHooks = this.#pool === undefined;
    const failures: unknown[] = [];
    const servers = new ServerGroup((error) => {
      // The app is stopping for another reason, which was reported already.
      if (this.#isStopRequested) return;
      logger.error("a server failed: the app stops", { error });
      failures.push(error);
      this.#requestStop();
    });
    const isUp = await this.#start(servers, failures);
    const isWhole = isUp && failures.length === 0;
    // The primary waits for the drain delay on behalf of its workers, and tells them when it begins.
    this.#link?.onDrain(() => failures.push(...servers.drain()));
    if (isWhole) await new Promise<void>((resolve) => whenAborted(this.#stopping.signal, resolve));
    // First, so that callers go elsewhere while the other steps run.
    if (isUp) failures.push(...servers.drain());
    await this.#registration?.deregister().catch((error) => failures.push(error));
    // Also after a failed afterStart hook: the hooks before it may have done something that beforeStop undoes.
    if (isUp && hasHooks) await this.#runAll(beforeStop, "a beforeStop hook", failures);
    if (isWhole && this.#link === undefined && drainDelayMs > 0) await sleep(drainDelayMs);
    // The pool has a limit for each worker instead.
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
   * Runs the start, from the first hook to the last afterStart hook. Adds failures to `failures`. Returns true if all servers
   * accept and the afterStart hooks were run.
   */
  async #start(servers: ServerGroup, failures: unknown[]): Promise<boolean> {
    const { startTimeoutMs, stopTimeoutMs } = this.#options;
    const { signal: stopSignal } = this.#stopping;
    const { beforeStart, afterStart } = this.#pool === undefined ? this.#options : { beforeStart: [], afterStart: [] };
    let isUp = false;
    // A worker has the same limit, and its own error says more precisely what took too long.
    const limit = new TimeLimit("startTimeoutMs", startTimeoutMs + (this.#pool === undefined ? 0 : 2 * cutOffGraceMs));
    // A start that continues after the app was told to stop has no more time than a stop.
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
      // An app that was told to stop meanwhile does not need to be found.
      if (!this.#isStopRequested) await this.#registration?.register(this.#toInstance(), limit, stopSignal);
      isUp = true;
      for (const hook of afterStart) {
        if (this.#isStopRequested) break;
        await runHook(hook, this, limit, "an afterStart hook");
      }
      // Also when it was told to stop meanwhile: the worker did start.
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

  /** The app as it is registered for callers. */
  #toInstance(): Instance {
    const { id, name, version, metadata } = this;
    const endpoints = [...new Set(this.#endpoints.map(({ href }) => href.replace(/\/$/, "")))];
    return createInstance({ id, name, version, metadata, endpoints });
  }

  /** Runs all hooks, even when one fails. */
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

/**
 * Calls `tell` when the signal aborts, at once if it is aborted already. Returns a function that ends the listening.
 */
function whenAborted(signal: AbortSignal | undefined, tell: () => void): () => void {
  if (signal?.aborted) tell();
  else signal?.addEventListener("abort", tell, { once: true });
  return () => signal?.removeEventListener("abort", tell);
}
