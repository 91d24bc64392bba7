import type { ServerResponse } from "node:http";
import type { Logger } from "@clew/log";
import { ServiceError } from "@clew/rpc";
import type { Health } from "../health.ts";
import type { Route } from "./route.ts";

/** A further condition for a server to be ready. It is not met when the function throws, rejects or returns `false`. */
export type HealthCheck = () => unknown;

export interface HealthRouteOptions {
  /** The path that reports whether the process is alive: it always answers 200. Default: "/healthz". */
  live?: string;
  /**
   * The path that reports whether the server is ready. It answers 200 while the server is started, does not drain, and all services
   * and checks are well; otherwise 503, with the names of those that are not. Default: "/readyz".
   */
  ready?: string;
  /** The checks that run for each request, by name: `{ database: () => pool.query("select 1") }`. Default: none. */
  checks?: Readonly<Record<string, HealthCheck>>;
  /** How long a check may take, in milliseconds. Default: 1000. */
  checkTimeoutMs?: number;
}

export type ResolvedHealthRouteOptions = Readonly<Required<HealthRouteOptions>>;

/** Undefined for no endpoints. */
export function resolveHealthRouteOptions(given: boolean | HealthRouteOptions): ResolvedHealthRouteOptions | undefined {
  if (given === false) return undefined;
  const options = given === true ? {} : given;
  return {
    live: options.live ?? "/healthz",
    ready: options.ready ?? "/readyz",
    checks: options.checks ?? {},
    checkTimeoutMs: options.checkTimeoutMs ?? 1000,
  };
}

/** Creates the endpoints that an orchestrator calls. They are outside of any prefix and have no middleware. */
export function createHealthRoutes(options: ResolvedHealthRouteOptions, health: Health, logger: Logger): Route[] {
  const checks = Object.entries(options.checks).map(([name, check]) => createProbe(name, check, options, logger));
  const live: Route = {
    verb: "GET",
    path: options.live,
    middleware: false,
    handle: (_request, response) => answer(response, { status: "SERVING" }),
  };
  const ready: Route = {
    verb: "GET",
    path: options.ready,
    middleware: false,
    handle: async (_request, response) => {
      const failed = await Promise.all(checks.map((ask) => ask()));
      const problems: Problems = Object.assign(lifeProblems(health), ...failed);
      const names = Object.keys(problems);
      if (names.length === 0) answer(response, { status: "SERVING" });
      else {
        response.setHeader("cache-control", "no-store");
        throw new ServiceError(503, "NOT_READY", `not ready: ${names.join(", ")}`, { metadata: problems });
      }
    },
  };
  return [live, ready];
}

function answer(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}

/** What is not well, by name. The reason is written only to the log. */
type Problems = Record<string, string>;

function lifeProblems(health: Health): Problems {
  if (health.isDraining) return { server: "DRAINING" };
  if (!health.isStarted) return { server: "STARTING" };
  const problems: Problems = {};
  for (const name of health.services) {
    const status = health.status(name)!;
    if (status !== "SERVING") problems[name === "" ? "server" : name] = status;
  }
  return problems;
}

/** Runs a check with a time limit. A check that is still running is not started a second time. */
function createProbe(
  name: string,
  check: HealthCheck,
  { checkTimeoutMs }: ResolvedHealthRouteOptions,
  logger: Logger,
): () => Promise<Problems> {
  let running: Promise<Problems> | undefined;
  const run = async (): Promise<Problems> => {
    try {
      return (await check()) === false ? { [name]: "FAILED" } : {};
    } catch (error) {
      logger.warn(`readiness: ${name} failed`, { error });
      return { [name]: "FAILED" };
    }
  };
  return () => {
    running ??= run().finally(() => {
      running = undefined;
    });
    const asked = running;
    if (checkTimeoutMs === 0) return asked;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ [name]: "TIMEOUT" }), checkTimeoutMs).unref();
      void asked.then((problems) => {
        clearTimeout(timer);
        resolve(problems);
      });
    });
  };
}
