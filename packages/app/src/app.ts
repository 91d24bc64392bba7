import { setTimeout as sleep } from "node:timers/promises";
import { current, run } from "@clew/context";
import type { Logger } from "@clew/log";
import { createInstance, type Instance } from "@clew/registry";
import { serviceNameKey } from "@clew/rpc";
import { type AppInfo, appKey } from "./app-info.ts";
import {
  type AppOptions,
  checkServers,
  type Hook,
  maxTimeMs,
  type ResolvedAppOptions,
  resolveAppOptions,
} from "./app-options.ts";
import { loadCluster } from "./cluster.ts";
import { appUsed, joinFailures, timedOut } from "./errors.ts";
import { Resources } from "./resources.ts";
import { markTold } from "./run-main.ts";
import type { Server } from "./server.ts";
import { TimeLimit } from "./time-limit.ts";
import { findWorkerLink, type WorkerLink } from "./worker.ts";
import { WorkerPool } from "./worker-pool.ts";

/** How long a server that was cut off may take to come back, in milliseconds. */
const cutOffGraceMs = 1_000;

/** Repeats of a signal within this time are one: on Ctrl-C a terminal signals the process, and npm passes its own on. */
const repeatMs = 50;

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
  readonly #stopRequest: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #isStopRequested = false;
  #endpoints: readonly URL[] = [];
  // What the registrar was asked to register, whether it did or not: it may have, and not said so.
  #instance: Instance | undefined;
  #isRegistered = false;
  #running: Promise<void> | undefined;
  // Registering anew where the workers are; it must not end after the deregistration.
  #moving: Promise<void> = Promise.resolve();
  readonly #resources: Resources = new Resources();
  /** In the primary, its workers. */
  readonly #pool: WorkerPool | undefined;
  /** In a worker, the way to the primary. */
  readonly #link: WorkerLink | undefined;
  readonly #logger: Logger;

  /** @throws a coded error (CLEW_APP_...) for options that do not work */
  constructor(options: AppOptions = {}) {
    this.#options = resolveAppOptions(options);
    const { workers, logger } = this.#options;
    this.#link = workers === undefined ? undefined : findWorkerLink();
    this.#logger = this.#link === undefined ? logger : logger.with({ worker: this.#link.number });
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
        this.#moving = this.#moving.then(() => this.#moveTo(endpoints));
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

  /** Tells the app to stop, a worker all of it. Resolves when it has; what fails meanwhile is reported by {@link run}. */
  async stop(): Promise<void> {
    if (this.#link === undefined || !(await this.#link.stopAll())) this.#requestStop();
    await this.#running?.catch(() => {});
  }

  #requestStop(): void {
    this.#isStopRequested = true;
    this.#stopRequest.resolve();
    this.#pool?.cancelStart();
  }

  async #runUnderSignals(): Promise<void> {
    const { signals, signal: stopSignal } = this.#options;
    const logger = this.#logger;
    if (this.#link !== undefined) return this.#runAsWorker(this.#link);
    let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (first === undefined) {
        first = { signal, atMs: performance.now() };
        logger.info("stopping", { signal });
        this.#requestStop();
      } else if (signal !== first.signal || performance.now() - first.atMs > repeatMs) {
        logger.warn("a second signal: exiting at once", { signal });
        this.#pool?.kill();
        process.exit(1);
      }
    };
    for (const signal of signals) process.on(signal, onSignal);
    const onAbort = (): void => this.#requestStop();
    if (stopSignal?.aborted) onAbort();
    else stopSignal?.addEventListener("abort", onAbort, { once: true });
    // Waiting for a signal alone does not keep a process alive, and an app without servers waits for nothing else.
    const alive = setInterval(() => {}, maxTimeMs);
    try {
      const failures = await this.#live();
      if (failures.length > 0) throw joinFailures(this.name, failures);
    } finally {
      clearInterval(alive);
      stopSignal?.removeEventListener("abort", onAbort);
      for (const signal of signals) process.off(signal, onSignal);
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
    stopSignal?.addEventListener("abort", () => void this.stop(), { once: true });
    const failures = await this.#live();
    const failure = failures.length > 0 ? joinFailures(this.name, failures) : undefined;
    if (failure !== undefined) {
      await link.failed(failure);
      markTold(failure);
    }
    link.end();
    if (failure !== undefined) throw failure;
  }

  /** The whole life; returns what failed in it. */
  async #live(): Promise<unknown[]> {
    const { beforeStop, afterStop, stopTimeoutMs } = this.#options;
    const drainDelayMs = this.#link === undefined ? this.#options.drainDelayMs : 0;
    const hasHooks = this.#pool === undefined;
    const failures: unknown[] = [];
    const { started, isUp } = await this.#start(failures);
    const isWhole = failures.length === 0 && isUp;
    const drain = once(() => drainServers(started, failures));
    // A worker's primary waits for the drain delay, and says when that begins.
    this.#link?.onDrain(drain);
    if (isWhole) await this.#waitForEnd(started, failures);
    // First, so that callers look elsewhere while the rest goes on.
    if (isUp) drain();
    await this.#deregister(failures);
    // Also when an afterStart hook failed: those before it have done what beforeStop undoes.
    if (isUp && hasHooks) await this.#runAll(beforeStop, "a beforeStop hook", failures);
    if (isWhole && drainDelayMs > 0) await sleep(drainDelayMs);
    await this.#stopServers(isUp ? [started] : started.toReversed().map((server) => [server]), failures);
    this.#endpoints = [];
    if (hasHooks) await this.#runAll(afterStop, "an afterStop hook", failures);
    try {
      await this.#resources.close(stopTimeoutMs);
    } catch (error) {
      failures.push(...(error instanceof AggregateError ? error.errors : [error]));
    }
    if (failures.length === 0) this.#logger.info("stopped");
    return failures;
  }

  /** Until the app is told to stop, or one of its servers fails. */
  async #waitForEnd(servers: readonly Server[], failures: unknown[]): Promise<void> {
    const failing = servers.map((server) => server.failed?.() ?? new Promise<never>(() => {}));
    try {
      await Promise.race([this.#stopRequest.promise, ...failing]);
    } catch (error) {
      this.#logger.error("a server failed: the app stops", { error });
      failures.push(error);
    }
    // A second one that fails while the app stops for the first has been told enough.
    for (const one of failing) one.catch(() => {});
  }

  /**
   * Hooks and servers up to the last afterStart hook. Adds what failed to `failures`; returns the servers that accept, and
   * whether those are all there are and the afterStart hooks had their turn.
   */
  async #start(failures: unknown[]): Promise<{ started: Server[]; isUp: boolean }> {
    const { startTimeoutMs, stopTimeoutMs } = this.#options;
    const logger = this.#logger;
    const { beforeStart, afterStart } = this.#pool === undefined ? this.#options : { beforeStart: [], afterStart: [] };
    let servers: readonly Server[] = [];
    const started: Set<Server> = new Set();
    const startedSoFar = (): Server[] => servers.filter((server) => started.has(server));
    let isUp = false;
    // A worker has its own limit, and tells more of what took so long.
    const limit = new TimeLimit("startTimeoutMs", startTimeoutMs + (this.#pool === undefined ? 0 : 2 * cutOffGraceMs));
    // A start that goes on when nobody wants it any more gets no longer than a stop.
    void this.#stopRequest.promise.then(() => limit.tighten("stopTimeoutMs", stopTimeoutMs));
    try {
      for (const hook of beforeStart) {
        if (this.#isStopRequested) return { started: [], isUp };
        await limit.race(call(hook, this), "a beforeStart hook");
      }
      if (this.#isStopRequested) return { started: [], isUp };
      servers = await limit.race(this.#compose(), "the composition of the servers");
      if (this.#isStopRequested) return { started: [], isUp };
      await Promise.all(
        servers.map(async (server) => {
          const starting = call(() => server.start());
          try {
            await limit.race(starting, `the start of ${nameOf(server)}`);
            started.add(server);
          } catch (error) {
            failures.push(error);
            // One that accepts after all is too late.
            starting.then(() => server.stop(AbortSignal.abort(error))).catch(() => {});
          }
        }),
      );
      if (failures.length > 0) return { started: startedSoFar(), isUp };
      for (const server of servers) {
        const [endpoint] = endpointsOf(server);
        if (endpoint !== undefined) logger.info("server listening", { endpoint: endpoint.href.replace(/\/$/, "") });
      }
      this.#endpoints = this.#options.advertise(servers.flatMap(endpointsOf));
      await this.#register(limit);
      isUp = true;
      for (const hook of afterStart) {
        if (this.#isStopRequested) break;
        await limit.race(call(hook, this), "an afterStart hook");
      }
      // Also when told to stop meanwhile: it did start.
      await this.#link?.ready(servers.flatMap(endpointsOf));
    } catch (error) {
      failures.push(error);
    } finally {
      limit.end();
    }
    return { started: startedSoFar(), isUp };
  }

  async #compose(): Promise<readonly Server[]> {
    if (this.#pool !== undefined) return [this.#pool];
    const servers = [...(await this.#options.servers(this.#resources, this))];
    checkServers(servers);
    return servers;
  }

  /** The app as callers are to find it. */
  #toInstance(): Instance {
    const { id, name, version, metadata } = this;
    const endpoints = [...new Set(this.#endpoints.map(({ href }) => href.replace(/\/$/, "")))];
    return createInstance({ id, name, version, metadata, endpoints });
  }

  /** The workers are reached elsewhere now. Registering an instance again replaces it. */
  async #moveTo(endpoints: readonly URL[]): Promise<void> {
    this.#endpoints = this.#options.advertise(endpoints);
    const { registrar } = this.#options;
    if (registrar === undefined || !this.#isRegistered) return;
    const instance = this.#toInstance();
    this.#instance = instance;
    try {
      const controller = new AbortController();
      await this.#ask("the registration", controller, (signal) => registrar.register(instance, signal));
      this.#logger.info("registered", { id: instance.id, endpoints: instance.endpoints });
    } catch (error) {
      this.#logger.error("cannot register where the app is now", { error });
    }
  }

  /** Tells the registrar where the servers are. Told to stop meanwhile, the app gives it up, which is no failure. */
  async #register(startLimit: TimeLimit): Promise<void> {
    const { registrar } = this.#options;
    const logger = this.#logger;
    // The primary does it for its workers.
    if (registrar === undefined || this.#isStopRequested || this.#link !== undefined) return;
    const instance = this.#toInstance();
    const { id, endpoints } = instance;
    this.#instance = instance;
    const controller = new AbortController();
    void this.#stopRequest.promise.then(() => controller.abort(new Error("the app stops")));
    try {
      const asking = this.#ask("the registration", controller, (signal) => registrar.register(instance, signal));
      await startLimit.race(asking, "the registration");
      this.#isRegistered = true;
      logger.info("registered", { id, endpoints });
    } catch (error) {
      controller.abort(error);
      if (!this.#isStopRequested) throw error;
    }
  }

  async #deregister(failures: unknown[]): Promise<void> {
    const { registrar } = this.#options;
    const logger = this.#logger;
    await this.#moving;
    const instance = this.#instance;
    if (registrar === undefined || instance === undefined) return;
    this.#instance = undefined;
    try {
      const controller = new AbortController();
      await this.#ask("the deregistration", controller, (signal) => registrar.deregister(instance, signal));
    } catch (error) {
      // What was not registered fails to be deregistered for the same reason, which is reported already.
      if (this.#isRegistered) failures.push(error);
      else logger.warn("cannot deregister what may have been registered", { error });
    }
    this.#isRegistered = false;
  }

  /** What the registrar does, within its time; then `controller` tells it to give up. */
  async #ask(what: string, controller: AbortController, ask: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new TimeLimit("registrarTimeoutMs", this.#options.registrarTimeoutMs);
    // Also when whoever asked has given up before: the timer would keep the process alive.
    controller.signal.addEventListener("abort", () => limit.end(), { once: true });
    try {
      await limit.race(call(ask, controller.signal), what);
    } catch (error) {
      controller.abort(error);
      throw error;
    } finally {
      limit.end();
    }
  }

  /** Stops one group of servers after the other, those of a group side by side, all within the time for it. */
  async #stopServers(groups: readonly (readonly Server[])[], failures: unknown[]): Promise<void> {
    const { stopTimeoutMs } = this.#options;
    const logger = this.#logger;
    const controller = new AbortController();
    // The pool keeps to limits of its own: those of each worker.
    const limitMs = this.#pool === undefined ? stopTimeoutMs + cutOffGraceMs : maxTimeMs;
    const limit = new TimeLimit("stopTimeoutMs", limitMs);
    const timer = setTimeout(() => {
      logger.warn("cutting off what the servers have not finished", { stopTimeoutMs });
      controller.abort(timedOut("draining", "stopTimeoutMs", stopTimeoutMs));
    }, stopTimeoutMs);
    for (const group of groups) {
      await Promise.all(
        group.map(async (server) => {
          try {
            await limit.race(
              call(() => server.stop(controller.signal)),
              `the stop of ${nameOf(server)}`,
            );
          } catch (error) {
            failures.push(error);
          }
        }),
      );
    }
    clearTimeout(timer);
    limit.end();
  }

  /** Runs all hooks, whatever fails. */
  async #runAll(hooks: readonly Hook[], what: string, failures: unknown[]): Promise<void> {
    for (const hook of hooks) {
      const limit = new TimeLimit("stopTimeoutMs", this.#options.stopTimeoutMs);
      try {
        await limit.race(call(hook, this), what);
      } catch (error) {
        failures.push(error);
      } finally {
        limit.end();
      }
    }
  }
}

function endpointsOf(server: Server): readonly URL[] {
  return server.endpoints?.() ?? (server.endpoint === undefined ? [] : [server.endpoint()]);
}

function drainServers(servers: readonly Server[], failures: unknown[]): void {
  for (const server of servers) {
    try {
      server.drain?.();
    } catch (error) {
      failures.push(error);
    }
  }
}

function once(fn: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) fn();
    isDone = true;
  };
}

/** Calls a function of the user; what it throws becomes a rejection. */
async function call<A extends unknown[]>(fn: (...args: A) => Promise<void> | void, ...args: A): Promise<void> {
  await fn(...args);
}

function nameOf(server: Server): string {
  return server.constructor === Object ? "a server" : server.constructor.name;
}
