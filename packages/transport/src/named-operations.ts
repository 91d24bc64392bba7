import { nearestNames } from "@clew/options";
import { meetOperations } from "@clew/rpc";
import { defaultLogger } from "./default-logger.ts";
import { operationMissing, operationUnmet } from "./errors.ts";
import { flattenRoutes } from "./http/route.ts";
import type { ServerOptions } from "./server-options.ts";

type Options = Pick<ServerOptions, "services" | "routes" | "prefix" | "middleware" | "logger">;

/**
 * Finds operations that a server's middleware names, as a selector's path() does, and that are none: what was meant goes without
 * it. A name of another service may be right, for servers and clients share their middleware.
 *
 * @returns tells the log of names that no server or client made so far has; to be called at the start
 * @throws CLEW_TRANSPORT_OPERATION for a method that a service of this server does not have
 */
export function checkNamedOperations(options: Options): () => void {
  const { services = [], routes = [], prefix = "", middleware = [], logger } = options;
  const ofServices = services.flatMap(({ methods }) => methods.map(({ method }) => method.operation));
  const ofRoutes = flattenRoutes(routes, { prefix, filters: [], middleware: undefined }).map((one) => one.operation);
  for (const name of meetOperations(middleware, new Set([...ofServices, ...ofRoutes]))) {
    const [, typeName, method] = /^\/?([^/ ]+)\/([^/]*)$/.exec(name) ?? [];
    const service = services.find(({ desc }) => desc.typeName === typeName);
    if (service === undefined) continue;
    const names = service.methods.map(({ method: { desc } }) => desc.name);
    const [nearest] = nearestNames(method!, names, 1);
    throw operationMissing(
      name,
      (nearest === undefined ? names : [nearest]).map((one) => `/${typeName}/${one}`),
    );
  }
  return () => {
    for (const name of new Set(meetOperations(middleware, new Set()))) {
      (logger ?? defaultLogger()).warn(operationUnmet(name, nearestNames(name, ofServices, 1)[0]));
    }
  };
}
