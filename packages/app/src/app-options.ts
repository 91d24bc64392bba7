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
 * Creates the servers of an app and opens the resources that they need. Everything handed to `resources` is closed in reverse
 * order once the last server has stopped, also when the start fails halfway.
 */
export type Composition = (resources: Resources, app: AppInfo) => Promise<readonly Server[]> | readonly Server[];

export interface AppOptions {
  /** Identifies this process among all others. Default: a random UUID. */
  id?: string;
  /**
   * The name of the service. It appears in log lines, it is sent to the services that this one calls, and callers find the
   * service by it. Default: "".
   */
  name?: string;
  /** Default: "". */
  version?: string;
  /** Labels of this process, such as its region or its weight. Default: none. */
  metadata?: Readonly<Record<string, string>>;
  /**
   * The servers that the app runs, or a function that creates them after the beforeStart hooks have run. Default: none, for
   * an app whose hooks do its work. An app without servers and without hooks logs a warning.
   */
  servers?: readonly Server[] | Composition;
  /**
   * Where callers reach the app, if that differs from the addresses of its servers: a host that replaces theirs (`"10.0.0.5"`),
   * `"$POD_IP"` for the value of that environment variable, or complete URLs that replace all endpoints. Default: the endpoints of
   * the servers.
   */
  advertise?: string | readonly (string | URL)[];
  /**
   * The number of processes in which the servers run, or `"all"` for one process per core. The processes share the ports, and
   * each runs the program's file from its beginning. A process that dies is replaced. Default: none, the servers run in this
   * process.
   */
  workers?: number | "all";
  /**
   * Where the app registers itself so that callers find it. The app is registered once its servers accept, and
   * deregistered as the first step of its stop. Default: nowhere.
   */
  registrar?: Registrar;
  /** Default: a new logger with the name of the app. */
  logger?: Logger;
  /**
   * The signals that stop the app. With an empty list the app does not listen to signals. Default: SIGINT, SIGTERM,
   * SIGQUIT.
   */
  signals?: readonly NodeJS.Signals[];
  /** The app stops when this signal aborts. Default: none. */
  signal?: AbortSignal;
  /** Hooks that run in order before the servers start. The first failure ends the start. Default: none. */
  beforeStart?: readonly Hook[];
  /** Hooks that run in order once all servers accept. The first failure ends the start. Default: none. */
  afterStart?: readonly Hook[];
  /** Hooks that run in order before the servers stop. All of them run, even when one fails. Default: none. */
  beforeStop?: readonly Hook[];
  /**
   * Hooks that run in order after the servers have stopped, also after a failed start. All of them run, even when one
   * fails. Default: none.
   */
  afterStop?: readonly Hook[];
  /** How long hooks and servers may take to start, in milliseconds. Default: 30_000. */
  startTimeoutMs?: number;
  /** How long registering may take, and how long deregistering may take, in milliseconds. Default: 10_000. */
  registrarTimeoutMs?: number;
  /**
   * How long the servers continue to accept after the app was deregistered, so that callers learn of it, in milliseconds. Default:
   * 0.
   */
  drainDelayMs?: number;
  /** How long the servers may take to finish their open work before it is cut off, in milliseconds. Default: 10_000. */
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
  // A process never receives these two.
  (given) => Object.hasOwn(constants.signals, String(given)) && given !== "SIGKILL" && given !== "SIGSTOP",
);

const optionChecks: OptionChecks<AppOptions> = {
  id: aText,
  name: aText,
  version: aText,
  metadata: recordOf('an object of strings, such as { zone: "a" }', aText),
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

/** @throws CLEW_APP_OPTION for a value that does not work */
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
 * Checks the servers that a composition returned.
 *
 * @throws CLEW_APP_OPTION
 */
export function checkServers(servers: readonly Server[]): void {
  checkValue("servers()", servers, someServers, optionError);
}

function isCount(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= 1 && (given as number) <= 1024;
}
