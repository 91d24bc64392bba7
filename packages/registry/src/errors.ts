import { type OptionError, tell } from "@clew/options";
import { ServiceError } from "@clew/rpc";

/** What a developer did wrong, found when a registry or a client is put together, or what a registry holds that is none. */
function usageError(code: string, message: string, cause?: unknown): TypeError & { readonly code: string } {
  const error = cause === undefined ? new TypeError(message) : new TypeError(message, { cause });
  return Object.assign(error, { code });
}

export function instanceInvalid(field: string, given: unknown, works: string): Error {
  const where = field === "" ? "an instance" : `an instance's ${field}`;
  return usageError("CLEW_REGISTRY_INSTANCE", `${where} is ${tell(given)}; it must be ${works}`);
}

export function nameInvalid(given: unknown): Error {
  return usageError("CLEW_REGISTRY_NAME", `a service's name is ${tell(given)}; it must be text that is not empty`);
}

export function targetInvalid(given: string, works: readonly string[]): Error {
  return usageError("CLEW_REGISTRY_TARGET", `target "${given}" leads nowhere; ${works.join(", ")} would work`);
}

export function discoveryMissing(target: string): Error {
  return usageError(
    "CLEW_REGISTRY_DISCOVERY",
    `target "${target}" needs the option discovery: the registry that knows where the service is`,
  );
}

export const optionError: OptionError = (message) => usageError("CLEW_REGISTRY_OPTION", message);

export function watchReadTwice(name: string): Error {
  return usageError("CLEW_REGISTRY_WATCH", `a watch of "${name}" has one reader; start a watch for each`);
}

/** A selector has no node for a call: 503, by the reason that Kratos's selector gives. */
export function noAvailableNode(): ServiceError {
  return new ServiceError(503, "no_available_node", "no node is available");
}

/** A client has no node for a call: 503, by the reason that Kratos's HTTP client gives. */
export function nodeNotFound(target: string, problem: string, cause: unknown): ServiceError {
  return new ServiceError(503, "NODE_NOT_FOUND", `no node for ${target}: ${problem}`, { cause });
}

/** A client was closed: 503, as when it cannot connect. */
export function clientClosed(target: string): ServiceError {
  return new ServiceError(503, "UNAVAILABLE", `the client of ${target} is closed`);
}

/** A node's endpoint is none that a client can be made for: 503, for others may do. */
export function nodeUnusable(key: string, cause: unknown): ServiceError {
  return new ServiceError(503, "UNAVAILABLE", `cannot call ${key}`, { cause });
}
