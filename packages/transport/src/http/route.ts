import type { IncomingMessage, ServerResponse } from "node:http";
import { checkOptionNames } from "@clew/options";
import type { Middleware } from "@clew/rpc";
import { optionError, optionInvalid } from "../errors.ts";

/**
 * Answers a raw HTTP request. What it throws is answered as an error, if it did not begin a reply. Over HTTP/2 request and
 * response are stand-ins that have what handlers use of node:http's: see Http2Request and Http2Response.
 */
export type RawHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  variables: Readonly<Record<string, string>>,
) => void | Promise<void>;

/**
 * A function around a request before any call exists: CORS, compression, access rules. A server's also sees
 * what no route knows.
 */
export type Filter = (next: RawHandler) => RawHandler;

/** A path outside of any service. To middleware it is a call like others, see {@link Route.operation}. */
export interface Route {
  /** `GET`; `*` for any. */
  readonly verb: string;
  /** A path template of google.api.http: `/api/traces/{id}`, `/{path=**}`. */
  readonly path: string;
  /** Begun inside of the call: `currentCall()` is it, with its deadline and signal, and clients called inside inherit both. */
  readonly handle: RawHandler;
  /**
   * What the call is named by for middleware, spans and metrics. Its request and reply are `google.api.HttpBody`, which only
   * `handle` reads and writes. Default: verb and path, `GET /api/traces/{id}`.
   */
  readonly operation?: string;
  /**
   * Wrapped around this route, inside of the group's and the server's; `false` for no middleware and no
   * call at all. Default: none more.
   */
  readonly middleware?: readonly Middleware[] | false;
  /** Wrapped around this route, inside of the group's filters and outside of any middleware. Default: none. */
  readonly filters?: readonly Filter[];
  /** How long the call may take, in milliseconds; 0 for no end. Default: 0. */
  readonly timeoutMs?: number;
}

/** Routes under one path, with what is around all of them. */
export interface RouteGroup {
  /** What comes before the path of each route, which may be `/` to stand for the prefix alone: `/admin`, `/tenants/{tenant}`. */
  readonly prefix: string;
  readonly routes: readonly (Route | RouteGroup)[];
  /**
   * Wrapped around every route, inside of the server's; `false` for no middleware but what a route or group
   * inside names. Default: none more.
   */
  readonly middleware?: readonly Middleware[] | false;
  /** Wrapped around every route, outside of any middleware. Default: none. */
  readonly filters?: readonly Filter[];
}

/** One way to reach a server by HTTP. */
export interface RouteInfo {
  /** `GET`; `*` for any. */
  readonly verb: string;
  /** The path template, with all prefixes: `/v1/books/{id}`. */
  readonly path: string;
  /** `/package.Service/Method`; of a raw route what it is named by. */
  readonly operation: string;
  /** The kind of the method, "raw" for a raw route. */
  readonly kind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming" | "raw";
}

/** A raw route with all that its groups say. */
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

/** What is around a route. */
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
 * The routes of groups within groups, one after the other.
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

/** @throws CLEW_TRANSPORT_OPTION for what is no function */
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

/** A path below a prefix; `/` is the prefix itself. What is no path stays so, for who reads the template to refuse. */
export function joinPaths(prefix: string, path: string): string {
  if (prefix === "" || !path.startsWith("/")) return path;
  return path === "/" ? prefix : prefix + path;
}
