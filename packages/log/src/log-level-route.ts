import type { IncomingMessage, ServerResponse } from "node:http";
import { aText, checkOptions, having, type OptionChecks } from "@clew/options";
import { optionError } from "./errors.ts";
import { type Level, parseLevel } from "./level.ts";
import { type LogLevels, logLevels } from "./log-levels.ts";

export interface LogLevelRouteOptions {
  /** The path of the route. Default: `/log/level`. */
  path?: string;
  /** The levels to read and set. Default: those of the process. */
  levels?: LogLevels;
}

/** A raw route, for the option `routes` of an HttpServer. */
export interface LogLevelRoute {
  readonly verb: string;
  readonly path: string;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

const optionChecks: OptionChecks<LogLevelRouteOptions> = {
  path: aText,
  levels: having("levels such as logLevels", "list", "set", "clear"),
};

function resolveLogLevelRouteOptions(options: LogLevelRouteOptions): Readonly<Required<LogLevelRouteOptions>> {
  checkOptions("logLevelRoute", options, optionChecks, optionError);
  return { path: options.path ?? "/log/level", levels: options.levels ?? logLevels };
}

/** Longer than any request that changes a level. */
const maxBodyBytes = 4096;

/**
 * Makes a route that reads and sets levels while the app runs. Expose it only to operators: at level debug, the log may
 * contain what users send.
 *
 *     GET  /log/level                                                  {"loggers": {"user": "info"}, "set": {}}
 *     PUT  /log/level  {"name": "user", "level": "debug", "forMs": 60000}   the same, after the change
 *     PUT  /log/level  {"name": "user", "level": null}                 back to the level that the code sets
 *
 * A request without a name applies to all loggers.
 *
 * @throws CLEW_LOG_OPTION
 */
export function logLevelRoute(options: LogLevelRouteOptions = {}): LogLevelRoute {
  const { path, levels } = resolveLogLevelRouteOptions(options);
  return {
    verb: "*",
    path,
    async handle(request, response) {
      if (request.method === "PUT") {
        const problem = apply(await readBody(request), levels);
        if (problem !== undefined) return answer(response, 400, toError(400, problem));
      } else if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("allow", "GET, HEAD, PUT");
        return answer(response, 405, toError(405, `${request.method} is not supported: use GET or PUT`));
      }
      answer(response, 200, levels.list());
    },
  };
}

/** Returns undefined when the change is made, otherwise the reason why not. */
function apply(body: string, levels: LogLevels): string | undefined {
  let change: { name?: unknown; level?: unknown; forMs?: unknown };
  try {
    change = Object(JSON.parse(body)) as typeof change;
  } catch {
    return 'the body must be JSON such as {"name": "user", "level": "debug"}';
  }
  const { name = "*", level, forMs } = change;
  if (typeof name !== "string" || name === "") return "name must be the name of a logger, or *";
  if (forMs !== undefined && !(typeof forMs === "number" && forMs > 0))
    return "forMs must be a number of milliseconds above 0";
  try {
    if (level === null) levels.clear(name);
    else levels.set(name, parseLevel(level as Level), forMs);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= maxBodyBytes) chunks.push(chunk);
  }
  return size <= maxBodyBytes ? Buffer.concat(chunks).toString() : "";
}

function toError(code: number, message: string): object {
  return { code, reason: "LOG_LEVEL", message, metadata: {} };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.setHeader("cache-control", "no-store");
  response.end(JSON.stringify(body));
}
