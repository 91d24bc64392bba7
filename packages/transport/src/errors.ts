import { type OptionError, tell } from "@clew/options";

/**
 * A mistake of a developer, found when a server or client is created or started. `code` is stable; the message says what would work.
 */
export interface TransportError extends Error {
  readonly code: string;
}

function usageError(code: string, message: string, cause?: unknown): TransportError {
  const error = cause === undefined ? new TypeError(message) : new TypeError(message, { cause });
  return Object.assign(error, { code });
}

export function addressInvalid(given: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_ADDRESS",
    `a server cannot listen on address "${given}"; it must be like ":8000", "127.0.0.1:8000", "[::1]:8000", "unix:/run/shop.sock", or ":0" for any free port`,
  );
}

export function addressInUse(address: string, cause: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_ADDRESS_IN_USE",
    `address ${address} is in use by another process, or by another server of this process; stop the other one, choose another port, or ":0" for any free port`,
    cause,
  );
}

export function addressRefused(address: string, cause: unknown): TransportError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return usageError(
    "CLEW_TRANSPORT_ADDRESS_REFUSED",
    `cannot listen on ${address}: ${why}; the host must be an address of this machine, and this user must be allowed to open the port`,
    cause,
  );
}

export function serverNotStarted(server: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_NOT_STARTED",
    `${server} has no endpoint before it is started: await start() first`,
  );
}

export function serverAlreadyStarted(server: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_STARTED",
    `${server} was started before and cannot be started again; create a new one`,
  );
}

export function stopSignalInvalid(given: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_STOP_SIGNAL",
    `stop() was called with ${tell(given)}; it needs a signal such as AbortSignal.timeout(10_000), or no argument to wait without a limit`,
  );
}

export function optionInvalid(option: string, given: unknown, works: string): TransportError {
  const text = typeof given === "object" && given !== null ? "an object" : String(given);
  return usageError("CLEW_TRANSPORT_OPTION", `option ${option} is ${text}; it must be ${works}`);
}

export const optionError: OptionError = (message) => usageError("CLEW_TRANSPORT_OPTION", message);

export function optionInAddress(option: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_OPTION",
    `a server has no option ${option}; use the option address: ":8000" or "127.0.0.1:8000"`,
  );
}

export function optionElsewhere(option: string, places: readonly string[]): TransportError {
  const works = places.map((place) => `${place}: { ${option} }`).join(" or ");
  return usageError("CLEW_TRANSPORT_OPTION", `option ${option} belongs to one protocol; write it as ${works}`);
}

export function tlsInvalid(problem: string, cause?: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_TLS",
    `option tls ${problem}; it must be { key, cert } with the PEM text of a private key and its certificate`,
    cause,
  );
}

export function endpointInvalid(given: string, schemes: readonly string[]): TransportError {
  const examples = schemes.map((scheme) => `${scheme}://127.0.0.1:8000`);
  return usageError(
    "CLEW_TRANSPORT_ENDPOINT",
    `endpoint "${given}" cannot be called; it must be like ${examples.join(" or ")}`,
  );
}

export function schemeUnknown(given: unknown): TransportError {
  const schemes = ["http", "https", "grpc", "grpcs"].map((scheme) => `${scheme}://host:port`);
  const works = [...schemes, "discovery:///name", "direct:///host:port,host:port", "dns:///host:port"].join(", ");
  return usageError(
    "CLEW_TRANSPORT_SCHEME",
    `endpoint ${tell(given)} has no scheme that a client supports; it must be like one of ${works}`,
  );
}

export function templateInvalid(owner: string, template: string, problem: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_TEMPLATE",
    `${owner}: path "${template}" ${problem}; it must be like "/v1/shelves/{shelf}/books/{book.id}" or "/v1/{path=files/**}:copy"`,
  );
}

export function fieldMissing(
  owner: string,
  use: string,
  field: string,
  message: string,
  known: string[],
): TransportError {
  return usageError(
    "CLEW_TRANSPORT_FIELD_MISSING",
    `${owner}: its ${use} names the field "${field}", which ${message} does not have (it has: ${known.join(", ") || "none"})`,
  );
}

export function fieldUnusable(owner: string, use: string, field: string, problem: string): TransportError {
  return usageError("CLEW_TRANSPORT_FIELD", `${owner}: its ${use} names the field "${field}", which ${problem}`);
}

export function ruleWithoutPath(owner: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has no path; add one with get, put, post, delete, patch or custom`,
  );
}

export function ruleNested(owner: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has additional_bindings inside additional_bindings; put them all at the same level`,
  );
}

export function ruleVerbInvalid(owner: string, kind: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has the kind "${kind}"; it must be a verb such as "PURGE", or "*" for any`,
  );
}

export function ruleBodyUnsent(owner: string, body: string, verb: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has body "${body}", but a ${verb} request has no body; remove it, so that the fields go into the query, or use post or put`,
  );
}

export function fieldsClash(owner: string, one: string, other: string, relation: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_FIELD",
    `${owner}: its google.api.http rule has ${one} and ${other}, ${relation}: the value of one of them would be lost; remove one of them`,
  );
}

export function routeConflict(verb: string, template: string, owner: string, other: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_ROUTE_CONFLICT",
    `${verb} ${template} is used by both ${owner} and ${other}; give each a path that the other does not match`,
  );
}

export function serviceConflict(operation: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_SERVICE_CONFLICT",
    `${operation} is implemented twice; give each service to a server only once`,
  );
}

export function statusInvalid(given: unknown, works: string): TransportError {
  return usageError("CLEW_TRANSPORT_STATUS", `the status ${String(given)} is not valid here; it must be ${works}`);
}

export function rawBodyUnread(operation: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RAW_BODY",
    `${operation} is a raw route: its handler reads the body from the request; a middleware cannot read it from the call`,
  );
}

export function rawReplyReturned(operation: string, given: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RAW_REPLY",
    `${operation}: the handler returned ${tell(given)} but wrote no reply; write one, as with response.end(JSON.stringify(...))`,
  );
}

export function eventIdInvalid(given: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_EVENT_ID",
    `the event id ${JSON.stringify(given)} contains a line break or a NUL, which the id of an event cannot contain`,
  );
}

export function methodOptionUnknown(key: string, option: string, known: readonly string[]): TransportError {
  return usageError(
    "CLEW_TRANSPORT_METHOD_OPTION",
    `option methods["${key}"] has "${option}", which is not an option of a method (its options are: ${known.join(", ")})`,
  );
}

export function methodOptionUnused(key: string, known: readonly string[]): TransportError {
  return usageError(
    "CLEW_TRANSPORT_METHOD_OPTION",
    `option methods names "${key}", which no service of this server has (its services have: ${known.join(", ") || "none"})`,
  );
}

/** @param works the nearest operation, or all operations */
export function operationMissing(name: string, works: readonly string[]): TransportError {
  const quoted = works.map((one) => JSON.stringify(one)).join(", ");
  return usageError(
    "CLEW_TRANSPORT_OPERATION",
    `a selector's path() names ${JSON.stringify(name)}, which no service of this server has; ${works.length === 1 ? `did you mean ${quoted}?` : `its services have ${quoted}`}`,
  );
}

/** Not an error: a client of that service may be created later. */
export function operationUnmet(name: string, nearest: string | undefined): string {
  const hint = nearest === undefined ? "" : `; did you mean ${JSON.stringify(nearest)}?`;
  return `a selector's path() names ${JSON.stringify(name)}, which no server or client of this process has${hint}`;
}
