import { randomUUID } from "node:crypto";
import { availableParallelism, constants } from "node:os";
import { createLogger, type Logger } from "@clew/log";
import {
  aFunction,
  aLogger,
  aText,
  checkOptions,
  checkValue,
  having,
  kind,
  listOf,
  millisecondsFrom,
  type OptionChecks,
  orListOf,
  recordOf,
} from "@clew/options";
import type { Registrar } from "@clew/registry";
import { readAdvertise } from "./advertise.ts";
import type { AppInfo } from "./app-info.ts";
import { nameMissing, optionError } from "./errors.ts";
import type { Resources } from "./resources.ts";
import type { Hook } from "./run-hook.ts";
import type { Server } from "./server.ts";

/**
 * Makes what an app runs, and opens what that needs; everything it gives to `resources` is closed in reverse order when the last
 * server has stopped, also when the start fails in the middle.
 */
export type Composition = (resources: Resources, app: AppInfo) => Promise<readonly Server[]> | readonly Server[];

export interface AppOptions {
  /** Tells this process from all others. Default: a random UUID. */
  id?: string;
  /** The name of the service: log lines have it, services that it calls are told it, and callers find it by that. Default: "". */
  name?: string;
  /** Default: "". */
  version?: string;
  /** Labels of this process: its region, its weight. Default: none. */
  metadata?: Readonly<Record<string, string>>;
  /**
   * What the app runs, or a function that makes it when the beforeStart hooks have run. Default: none, for an app whose hooks
   * do its work; without these too a warning says so.
   */
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

const someServers = listOf("a list of servers", having("a server", "start", "stop"));
const someHooks = listOf("a list of functions, as in [() => { ... }]", aFunction);
const aSignal = kind(
  'a signal that a process can wait for, such as "SIGTERM"',
  // No process is told of the two.
  (given) => Object.hasOwn(constants.signals, String(given)) && given !== "SIGKILL" && given !== "SIGSTOP",
);

const optionChecks: OptionChecks<AppOptions> = {
  id: aText,
  name: aText,
  version: aText,
  metadata: recordOf('texts by their names, such as { zone: "a" }', aText),
  servers: orListOf(
    kind("a list of servers, or a function that makes it", (given) => typeof given === "function"),
    someServers,
  ),
  advertise: orListOf(
    kind("a host, or a list of URLs", (given) => typeof given === "string"),
    listOf(
      "a list of URLs",
      kind("a URL", (given) => typeof given === "string" || given instanceof URL),
    ),
  ),
  workers: kind('"all" or a whole number from 1 to 1024', (given) => given === "all" || isCount(given)),
  registrar: having("a registrar", "register", "deregister"),
  logger: aLogger,
  signals: listOf("a list of signals", aSignal),
  signal: having("an AbortSignal", "addEventListener", "removeEventListener"),
  beforeStart: someHooks,
  afterStart: someHooks,
  beforeStop: someHooks,
  afterStop: someHooks,
  startTimeoutMs: millisecondsFrom(1),
  registrarTimeoutMs: millisecondsFrom(1),
  drainDelayMs: millisecondsFrom(0),
  stopTimeoutMs: millisecondsFrom(1),
};

/** @throws CLEW_APP_OPTION for what does not work */
export function resolveAppOptions(options: AppOptions): ResolvedAppOptions {
  checkOptions("an app", options, optionChecks, optionError);
  const { name = "", servers = [], registrar } = options;
  if (registrar !== undefined && name === "") throw nameMissing();
  return {
    id: options.id ?? randomUUID(),
    name,
    version: options.version ?? "",
    metadata: Object.freeze({ ...options.metadata }),
    servers: typeof servers === "function" ? servers : () => servers,
    advertise: readAdvertise(options.advertise, process.env),
    workers: options.workers === "all" ? availableParallelism() : options.workers,
    registrar,
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
}

/**
 * What a composition made.
 *
 * @throws CLEW_APP_OPTION
 */
export function checkServers(servers: readonly Server[]): void {
  checkValue("servers()", servers, someServers, optionError);
}

function isCount(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= 1 && (given as number) <= 1024;
}
