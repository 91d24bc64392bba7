import { randomUUID } from "node:crypto";
import { availableParallelism, constants } from "node:os";
import { createLogger, type Logger } from "@clew/log";
import {
  aLogger,
  anything,
  aText,
  checkOptions,
  having,
  kind,
  listOf,
  type OptionChecks,
  recordOf,
} from "@clew/options";
import type { Registrar } from "@clew/registry";
import { readAdvertise } from "./advertise.ts";
import type { AppInfo } from "./app-info.ts";
import {
  hooksInvalid,
  nameMissing,
  optionError,
  registrarInvalid,
  serverInvalid,
  signalUnknown,
  timeInvalid,
  workersInvalid,
} from "./errors.ts";
import type { Resources } from "./resources.ts";
import type { Server } from "./server.ts";

/** Runs at one moment of an app's life. What it throws is a failure of that moment. */
export type Hook = (app: AppInfo) => Promise<void> | void;

/**
 * Makes what an app runs, and opens what that needs; everything it gives to `resources` is closed in reverse order when the last
 * server has stopped, also when the start fails in the middle.
 */
export type Composition = (resources: Resources, app: AppInfo) => Promise<readonly Server[]> | readonly Server[];

export interface AppOptions {
  /** Tells this process from all others. Default: a random UUID. */
  id?: string;
  /** The name of the service. Default: "". */
  name?: string;
  /** Default: "". */
  version?: string;
  /** Labels of this process: its region, its weight. Default: none. */
  metadata?: Readonly<Record<string, string>>;
  /** What the app runs, or a function that makes it when the beforeStart hooks have run. Default: none. */
  servers?: readonly Server[] | Composition;
  /**
   * Where callers reach the app, when that is not where its servers say: a host in place of theirs (`"10.0.0.5"`), `"$POD_IP"` for
   * what that environment variable holds, or whole URLs in place of all endpoints. Default: where the servers say.
   */
  advertise?: string | readonly (string | URL)[];
  /**
   * Run the servers in so many processes, `"all"` for one on each core. They share the ports, and each runs the program's file
   * from its beginning; one that dies is replaced. Default: none, the servers run in this process.
   */
  workers?: number | "all";
  /**
   * Where callers find the app: it is registered once its servers accept, and deregistered first of all when it stops.
   * Default: nowhere.
   */
  registrar?: Registrar;
  /** Default: one named like the app. */
  logger?: Logger;
  /** The signals that stop the app; none to leave signals alone. Default: SIGINT, SIGTERM, SIGQUIT. */
  signals?: readonly NodeJS.Signals[];
  /** Stops the app when it aborts. Default: none. */
  signal?: AbortSignal;
  /** Run in order before the servers start; the first failure ends the start. Default: none. */
  beforeStart?: readonly Hook[];
  /** Run in order when all servers accept; the first failure ends the start. Default: none. */
  afterStart?: readonly Hook[];
  /** Run in order before the servers stop; all of them, whatever fails. Default: none. */
  beforeStop?: readonly Hook[];
  /** Run in order when the servers have stopped, also after a failed start; all of them, whatever fails. Default: none. */
  afterStop?: readonly Hook[];
  /** How long hooks and servers may take to start, in milliseconds. Default: 30_000. */
  startTimeoutMs?: number;
  /** How long the registrar may take to register, and again to deregister, in milliseconds. Default: 10_000. */
  registrarTimeoutMs?: number;
  /** How long the servers still accept after the app was deregistered, so that callers learn of it, in milliseconds. Default: 0. */
  drainDelayMs?: number;
  /** How long the servers may take to finish their work before it is cut off, in milliseconds. Default: 10_000. */
  stopTimeoutMs?: number;
}

export type ResolvedAppOptions = Required<
  Omit<AppOptions, "registrar" | "servers" | "signal" | "advertise" | "workers">
> & {
  readonly registrar: Registrar | undefined;
  readonly servers: Composition;
  readonly signal: AbortSignal | undefined;
  readonly advertise: (endpoints: readonly URL[]) => readonly URL[];
  readonly workers: number | undefined;
};

/** What is anything here has an error with a code of its own below. */
const optionChecks: OptionChecks<AppOptions> = {
  id: aText,
  name: aText,
  version: aText,
  metadata: recordOf('texts by their names, such as { zone: "a" }', aText),
  servers: kind(
    "a list of servers, or a function that makes it",
    (given) => Array.isArray(given) || typeof given === "function",
  ),
  advertise: anything,
  workers: anything,
  registrar: anything,
  logger: aLogger,
  signals: listOf("a list of signals", anything),
  signal: having("an AbortSignal", "addEventListener", "removeEventListener"),
  beforeStart: anything,
  afterStart: anything,
  beforeStop: anything,
  afterStop: anything,
  startTimeoutMs: anything,
  registrarTimeoutMs: anything,
  drainDelayMs: anything,
  stopTimeoutMs: anything,
};

/** @throws a coded error (CLEW_APP_...) for what does not work */
export function resolveAppOptions(options: AppOptions): ResolvedAppOptions {
  checkOptions("an app", options, optionChecks, optionError);
  const name = options.name ?? "";
  const { servers = [] } = options;
  const resolved: ResolvedAppOptions = {
    id: options.id ?? randomUUID(),
    name,
    version: options.version ?? "",
    metadata: Object.freeze({ ...options.metadata }),
    servers: typeof servers === "function" ? servers : () => servers,
    advertise: readAdvertise(options.advertise, process.env),
    workers: options.workers === "all" ? availableParallelism() : options.workers,
    registrar: options.registrar,
    logger: options.logger ?? createLogger(name === "" ? {} : { name }),
    signals: options.signals ?? ["SIGINT", "SIGTERM", "SIGQUIT"],
    signal: options.signal,
    beforeStart: options.beforeStart ?? [],
    afterStart: options.afterStart ?? [],
    beforeStop: options.beforeStop ?? [],
    afterStop: options.afterStop ?? [],
    startTimeoutMs: options.startTimeoutMs ?? 30_000,
    registrarTimeoutMs: options.registrarTimeoutMs ?? 10_000,
    drainDelayMs: options.drainDelayMs ?? 0,
    stopTimeoutMs: options.stopTimeoutMs ?? 10_000,
  };
  checkTime("startTimeoutMs", resolved.startTimeoutMs, 1);
  checkTime("registrarTimeoutMs", resolved.registrarTimeoutMs, 1);
  checkTime("drainDelayMs", resolved.drainDelayMs, 0);
  checkTime("stopTimeoutMs", resolved.stopTimeoutMs, 1);
  if (resolved.registrar !== undefined && name === "") throw nameMissing();
  for (const option of ["beforeStart", "afterStart", "beforeStop", "afterStop"] as const) {
    const hooks = resolved[option];
    if (!Array.isArray(hooks) || hooks.some((hook) => typeof hook !== "function")) throw hooksInvalid(option);
  }
  for (const one of resolved.signals) if (!Object.hasOwn(constants.signals, one)) throw signalUnknown(one);
  if (typeof servers !== "function") checkServers(servers);
  if (resolved.registrar !== undefined && typeof resolved.registrar.register !== "function") throw registrarInvalid();
  const { workers } = resolved;
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= 1024)) {
    throw workersInvalid(workers);
  }
  return resolved;
}

/** What setTimeout can hold; anything above fires at once. */
export const maxTimeMs: number = 2 ** 31 - 1;

function checkTime(option: string, timeMs: number, least: number): void {
  if (typeof timeMs !== "number" || !(timeMs >= least && timeMs <= maxTimeMs))
    throw timeInvalid(option, timeMs, least, maxTimeMs);
}

/** @throws CLEW_APP_SERVER */
export function checkServers(servers: readonly Server[]): void {
  for (const [index, server] of servers.entries()) {
    if (typeof server?.start !== "function" || typeof server.stop !== "function") throw serverInvalid(index);
  }
}
