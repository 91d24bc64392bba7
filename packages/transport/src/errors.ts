import { type OptionError, tell } from "@clew/options";

/** What a developer did wrong, found when a server or client is put together or started. `code` is stable; the message says what would work. */
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
    `address "${given}" is not one to listen on; ":8000", "127.0.0.1:8000", "[::1]:8000", "unix:/run/shop.sock" or ":0" for any free port would work`,
  );
}

export function addressInUse(address: string, cause: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_ADDRESS_IN_USE",
    `address ${address} is in use, by another process or by another server of this one; stop that one, choose another port, or ":0" for any free one`,
    cause,
  );
}

export function addressRefused(address: string, cause: unknown): TransportError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return usageError(
    "CLEW_TRANSPORT_ADDRESS_REFUSED",
    `cannot listen on ${address}: ${why}; the host must be one of this machine's, and the port one this user may open`,
    cause,
  );
}

export function serverNotStarted(server: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_NOT_STARTED",
    `${server} has no endpoint before it was started: await start() first`,
  );
}

export function serverAlreadyStarted(server: string): TransportError {
  return usageError("CLEW_TRANSPORT_STARTED", `${server} was started before; make a new one to start again`);
}

export function stopSignalInvalid(given: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_STOP_SIGNAL",
    `what stop() was given is ${tell(given)}; AbortSignal.timeout(10_000) would work, or nothing to wait for all`,
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
    `a server has no option ${option}; it is in the address: ":8000" or "127.0.0.1:8000"`,
  );
}

export function optionElsewhere(option: string, places: readonly string[]): TransportError {
  const works = places.map((place) => `${place}: { ${option} }`).join(" or ");
  return usageError("CLEW_TRANSPORT_OPTION", `option ${option} is of one protocol; ${works} would work`);
}

export function tlsInvalid(problem: string, cause?: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_TLS",
    `option tls ${problem}; { key, cert } with the PEM text of a private key and its certificate would work`,
    cause,
  );
}

export function endpointInvalid(given: string, schemes: readonly string[]): TransportError {
  const examples = schemes.map((scheme) => `${scheme}://127.0.0.1:8000`);
  return usageError(
    "CLEW_TRANSPORT_ENDPOINT",
    `endpoint "${given}" is not one to call; ${examples.join(" or ")} would work`,
  );
}

export function schemeUnknown(given: unknown): TransportError {
  const schemes = ["http", "https", "grpc", "grpcs"].map((scheme) => `${scheme}://host:port`);
  const works = [...schemes, "discovery:///name", "direct:///host:port,host:port", "dns:///host:port"].join(", ");
  return usageError(
    "CLEW_TRANSPORT_SCHEME",
    `endpoint ${tell(given)} has no scheme that a client speaks; ${works} would work`,
  );
}

export function templateInvalid(owner: string, template: string, problem: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_TEMPLATE",
    `${owner}: path "${template}" ${problem}; "/v1/shelves/{shelf}/books/{book.id}" or "/v1/{path=files/**}:copy" would work`,
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
    `${owner}: its google.api.http rule has no path; get, put, post, delete, patch or custom would give it one`,
  );
}

export function ruleNested(owner: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has additional_bindings in additional_bindings; put them all beside each other`,
  );
}

export function ruleVerbInvalid(owner: string, kind: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has the kind "${kind}"; a verb like "PURGE", or "*" for any would work`,
  );
}

export function ruleBodyUnsent(owner: string, body: string, verb: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RULE",
    `${owner}: its google.api.http rule has body "${body}", but a ${verb} is sent without one; leave it out and the fields are in the query, or use post or put`,
  );
}

export function fieldsClash(owner: string, one: string, other: string, relation: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_FIELD",
    `${owner}: its google.api.http rule has ${one} and ${other}, ${relation}: what one of them says would be lost; take one of them out`,
  );
}

export function routeConflict(verb: string, template: string, owner: string, other: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_ROUTE_CONFLICT",
    `${verb} ${template} is wanted by ${owner} and by ${other}; each needs a path that the other does not match`,
  );
}

export function serviceConflict(operation: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_SERVICE_CONFLICT",
    `${operation} is implemented twice; give a server each service once`,
  );
}

export function statusInvalid(given: unknown, works: string): TransportError {
  return usageError("CLEW_TRANSPORT_STATUS", `the status ${String(given)} is none for this; ${works} would work`);
}

export function rawBodyUnread(operation: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RAW_BODY",
    `${operation} is a raw route: its body is its handler's to read from the request, not a middleware's from the call`,
  );
}

export function rawReplyReturned(operation: string, given: unknown): TransportError {
  return usageError(
    "CLEW_TRANSPORT_RAW_REPLY",
    `${operation}: the handler returned ${tell(given)} and wrote no reply; response.end(JSON.stringify(...)) would write one`,
  );
}

export function eventIdInvalid(given: string): TransportError {
  return usageError(
    "CLEW_TRANSPORT_EVENT_ID",
    `the event id ${JSON.stringify(given)} has a line break or a NUL in it, which no event can have`,
  );
}

export function methodOptionUnknown(key: string, option: string, known: readonly string[]): TransportError {
  return usageError(
    "CLEW_TRANSPORT_METHOD_OPTION",
    `option methods["${key}"] has "${option}", which is no option of a method (there are: ${known.join(", ")})`,
  );
}

export function methodOptionUnused(key: string, known: readonly string[]): TransportError {
  return usageError(
    "CLEW_TRANSPORT_METHOD_OPTION",
    `option methods names "${key}", which no service here has (there are: ${known.join(", ") || "none"})`,
  );
}

/** @param works the nearest operation, or all there are */
export function operationMissing(name: string, works: readonly string[]): TransportError {
  const quoted = works.map((one) => JSON.stringify(one)).join(", ");
  return usageError(
    "CLEW_TRANSPORT_OPERATION",
    `a selector's path() names ${JSON.stringify(name)}, which no service here has; ${works.length === 1 ? `did you mean ${quoted}?` : `there are ${quoted}`}`,
  );
}

/** No error: a client of that service may be made later. */
export function operationUnmet(name: string, nearest: string | undefined): string {
  const hint = nearest === undefined ? "" : `; did you mean ${JSON.stringify(nearest)}?`;
  return `a selector's path() names ${JSON.stringify(name)}, which no server or client here has${hint}`;
}
