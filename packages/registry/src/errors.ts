import { type OptionError, tell } from "@clew/options";
import { ServiceError } from "@clew/rpc";

/** A mistake of a developer, found when a registry or a client is created, or an invalid entry of a registry. */
function usageError(code: string, message: string, cause?: unknown): TypeError & { readonly code: string } {
  const error = cause === undefined ? new TypeError(message) : new TypeError(message, { cause });
  return Object.assign(error, { code });
}

export function instanceInvalid(field: string, given: unknown, works: string): Error {
  const where = field === "" ? "an instance" : `an instance's ${field}`;
  return usageError("CLEW_REGISTRY_INSTANCE", `${where} is ${tell(given)}; it must be ${works}`);
}

export function nameInvalid(given: unknown): Error {
  return usageError("CLEW_REGISTRY_NAME", `the name of a service is ${tell(given)}; it must be a non-empty string`);
}

export function targetInvalid(given: string, works: readonly string[]): Error {
  return usageError(
    "CLEW_REGISTRY_TARGET",
    `target "${given}" is not valid; it must be like one of ${works.join(", ")}`,
  );
}

export function discoveryMissing(target: string): Error {
  return usageError(
    "CLEW_REGISTRY_DISCOVERY",
    `target "${target}" needs the option discovery: the registry in which the service is registered`,
  );
}

export const optionError: OptionError = (message) => usageError("CLEW_REGISTRY_OPTION", message);

export function watchReadTwice(name: string): Error {
  return usageError(
    "CLEW_REGISTRY_WATCH",
    `a watch of "${name}" can be read only once; start another watch for another reader`,
  );
}

/** A selector has no node for a call: 503, with the reason that Kratos's selector uses. */
export function noAvailableNode(): ServiceError {
  return new ServiceError(503, "no_available_node", "no node is available");
}

/** A client has no node for a call: 503, with the reason that Kratos's HTTP client uses. */
export function nodeNotFound(target: string, problem: string, cause: unknown): ServiceError {
  return new ServiceError(503, "NODE_NOT_FOUND", `no node for ${target}: ${problem}`, { cause });
}

/** A client was closed: 503, as when it cannot connect. */
export function clientClosed(target: string): ServiceError {
  return new ServiceError(503, "UNAVAILABLE", `the client of ${target} is closed`);
}

/** No client can be created for a node's endpoint: 503, because another node may work. */
export function nodeUnusable(key: string, cause: unknown): ServiceError {
  return new ServiceError(503, "UNAVAILABLE", `cannot call ${key}`, { cause });
}
