import { nearestNames } from "@clew/options";
import { meetOperations } from "@clew/rpc";
import { defaultLogger } from "./default-logger.ts";
import { operationMissing, operationUnmet } from "./errors.ts";
import { flattenRoutes } from "./http/route.ts";
import type { ServerOptions } from "./server-options.ts";

type Options = Pick<ServerOptions, "services" | "routes" | "prefix" | "middleware" | "logger">;

/**
 * Checks the operations that a server's middleware names, as a selector's path() does: with a wrong name the intended operation
 * would not be covered. The name of another service may be right, because servers and clients can share their middleware.
 *
 * @returns a function to be called at the start, which logs names that no server or client created so far has
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
