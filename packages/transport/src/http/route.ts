import type { IncomingMessage, ServerResponse } from "node:http";
import { checkOptionNames } from "@clew/options";
import type { Middleware } from "@clew/rpc";
import { optionError, optionInvalid } from "../errors.ts";

/**
 * Answers a raw HTTP request. If it throws before the reply has begun, the error is sent as the reply. Over HTTP/2, request and
 * response are replacements with those parts of node:http's classes that handlers use: see Http2Request and Http2Response.
 */
export type RawHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  variables: Readonly<Record<string, string>>,
) => void | Promise<void>;

/**
 * A function that wraps a raw handler and runs before any call exists: CORS, compression, access rules. A server's filters also
 * see requests that match no route.
 */
export type Filter = (next: RawHandler) => RawHandler;

/** A raw route, outside of any service. Middleware sees its requests as calls, see {@link Route.operation}. */
export interface Route {
  /** `GET`; `*` for any. */
  readonly verb: string;
  /** A path template of google.api.http: `/api/traces/{id}`, `/{path=**}`. */
  readonly path: string;
  /**
   * Runs inside of the call: `currentCall()` returns it, with its deadline and signal, and the handler's own calls inherit
   * both.
   */
  readonly handle: RawHandler;
  /**
   * The name of the call for middleware, spans and metrics. Its request and reply have the type `google.api.HttpBody`; only
   * `handle` reads and writes them. Default: verb and path, `GET /api/traces/{id}`.
   */
  readonly operation?: string;
  /**
   * Additional middleware around this route, inside of the middleware of the group and the server; `false` for no middleware
   * and no call at all. Default: none.
   */
  readonly middleware?: readonly Middleware[] | false;
  /** Filters around this route, inside of the group's filters and outside of any middleware. Default: none. */
  readonly filters?: readonly Filter[];
  /** How long the call may take, in milliseconds; 0 for no limit. Default: 0. */
  readonly timeoutMs?: number;
}

/** Routes with a common prefix, and with middleware and filters around all of them. */
export interface RouteGroup {
  /** The prefix of each route's path: `/admin`, `/tenants/{tenant}`. A route with the path `/` stands for the prefix alone. */
  readonly prefix: string;
  readonly routes: readonly (Route | RouteGroup)[];
  /**
   * Additional middleware around every route, inside of the server's; `false` for only the middleware that a route or an inner
   * group names. Default: none.
   */
  readonly middleware?: readonly Middleware[] | false;
  /** Filters around every route, outside of any middleware. Default: none. */
  readonly filters?: readonly Filter[];
}

/** One HTTP route of a server. */
export interface RouteInfo {
  /** `GET`; `*` for any. */
  readonly verb: string;
  /** The path template, with all prefixes: `/v1/books/{id}`. */
  readonly path: string;
  /** `/package.Service/Method`; for a raw route its name. */
  readonly operation: string;
  /** The kind of the method, "raw" for a raw route. */
  readonly kind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming" | "raw";
}

/** A raw route combined with the settings of its groups. */
export interface FlatRoute {
  readonly verb: string;
  readonly path: string;
  readonly operation: string;
  readonly handle: RawHandler;
  readonly filters: readonly Filter[];
  /** Undefined for no call. */
  readonly middleware: readonly Middleware[] | undefined;
  readonly timeoutMs: number;
}

/** The settings around a route. */
interface Surroundings {
  readonly prefix: string;
  readonly filters: readonly Filter[];
  readonly middleware: readonly Middleware[] | undefined;
}

const routeOptions: Readonly<Record<keyof Route, true>> = {
  verb: true,
  path: true,
  handle: true,
  operation: true,
  middleware: true,
  filters: true,
  timeoutMs: true,
};

const groupOptions: Readonly<Record<keyof RouteGroup, true>> = {
  prefix: true,
  routes: true,
  middleware: true,
  filters: true,
};

/**
 * Returns the routes of all groups, at every depth, in order.
 *
 * @throws CLEW_TRANSPORT_OPTION
 */
export function flattenRoutes(routes: readonly (Route | RouteGroup)[], around: Surroundings): FlatRoute[] {
  return routes.flatMap((one) => {
    checkNames(one);
    const filters = [...around.filters, ...(one.filters ?? [])];
    const middleware = one.middleware === false ? undefined : joinMiddleware(around.middleware, one.middleware);
    for (const filter of one.filters ?? [])
      checkFilter(filter, `filters of ${"routes" in one ? one.prefix : one.path}`);
    if ("routes" in one) {
      return flattenRoutes(one.routes, { prefix: joinPaths(around.prefix, one.prefix), filters, middleware });
    }
    const { handle, timeoutMs = 0 } = one;
    if (typeof one.verb !== "string") throw optionInvalid(`verb of route ${one.path}`, one.verb, 'one like "GET"');
    const verb = one.verb.toUpperCase();
    const path = joinPaths(around.prefix, one.path);
    return [{ verb, path, operation: one.operation ?? `${verb} ${path}`, handle, filters, middleware, timeoutMs }];
  });
}

function checkNames(one: Partial<Route & RouteGroup>): void {
  const { verb, path, prefix, routes } = one;
  if (prefix === undefined && routes === undefined) {
    const owner = ["route", verb, path].filter((word) => typeof word === "string").join(" ");
    checkOptionNames(owner, one, Object.keys(routeOptions), optionError);
    if (typeof path !== "string") throw optionInvalid("path of a route", path, 'a path like "/a/{id}"');
    return;
  }
  checkOptionNames(prefix === undefined ? "a group" : `group ${prefix}`, one, Object.keys(groupOptions), optionError);
  if (typeof prefix !== "string") throw optionInvalid("prefix of a group", prefix, 'a path like "/admin"');
  if (!Array.isArray(routes)) throw optionInvalid(`routes of group ${prefix}`, routes, "a list of routes");
}

/** @throws CLEW_TRANSPORT_OPTION for a value that is not a function */
export function checkFilter(filter: Filter, name: string): void {
  if (typeof filter !== "function") throw optionInvalid(name, filter, "a function, as compression() makes one");
}

function joinMiddleware(
  outer: readonly Middleware[] | undefined,
  inner: readonly Middleware[] | undefined,
): readonly Middleware[] | undefined {
  if (outer === undefined) return inner;
  return inner === undefined ? outer : [...outer, ...inner];
}

/**
 * Joins a prefix and a path; `/` stands for the prefix itself. An invalid path stays invalid, and is refused where the template
 * is read.
 */
export function joinPaths(prefix: string, path: string): string {
  if (prefix === "" || !path.startsWith("/")) return path;
  return path === "/" ? prefix : prefix + path;
}
