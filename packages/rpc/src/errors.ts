import { type OptionError, tell } from "@clew/options";
import type { Method } from "./method.ts";

/** A mistake of a developer, found when a service is created. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function descInvalid(what: string, given: unknown, example: string): Error {
  return usageError(
    "CLEW_RPC_DESC",
    `${what} is ${tell(given)}; it must be a descriptor of generated code, as in \`import { ${example} } from "./gen/shop_pb.ts"\``,
  );
}

export function serviceInvalid(index: number, given: unknown): Error {
  const { typeName } = Object(given) as { typeName?: unknown };
  const isDesc = typeof typeName === "string";
  const what = isDesc ? `the descriptor of ${typeName}` : tell(given);
  const name = isDesc ? typeName.split(".").at(-1) : "Orders";
  return usageError(
    "CLEW_RPC_SERVICE",
    `option services has ${what} at index ${index}; it must be a service, made by service(${name}, { ... }) from a descriptor and its implementation`,
  );
}

export const optionError: OptionError = (message) => usageError("CLEW_RPC_OPTION", message);

export const jsonOptionError: OptionError = (message) => usageError("CLEW_RPC_JSON_OPTION", message);

export function listInvalid(option: string, given: unknown): Error {
  return usageError("CLEW_RPC_LIST", `option ${option} is ${tell(given)}; it must be a list`);
}

export function middlewareInvalid(index: number, given: unknown): Error {
  return usageError(
    "CLEW_RPC_MIDDLEWARE",
    `middleware ${index} of a chain is ${tell(given)}; it must be a function around a handler, such as recovery() returns`,
  );
}

export function middlewareOfAnother(index: number, count: number): Error {
  return usageError(
    "CLEW_RPC_MIDDLEWARE",
    `middleware ${index} of a chain takes ${count} arguments; it must take one, the next handler: \`(next) => (call) => next(call)\``,
  );
}

export function handlerMissing(index: number, given: unknown): Error {
  return usageError(
    "CLEW_RPC_MIDDLEWARE",
    `middleware ${index} of a chain returned ${tell(given)}; it must return a handler, such as \`(call) => next(call)\``,
  );
}

export function requestMissing({ operation, desc, kind }: Method, given: unknown): Error {
  const { typeName } = desc.input;
  const works =
    kind === "unary" || kind === "server_streaming"
      ? `a ${typeName}; {} is an empty one`
      : `an async iterable of ${typeName}, such as an async generator returns`;
  return usageError("CLEW_RPC_REQUEST", `${operation} was called with ${tell(given)}; its request must be ${works}`);
}

// The next four are mistakes in a server, found while it answers a call. The caller gets the same error as for any defect;
// the log has the full text.

export function replyMissing(operation: string, typeName: string, given: unknown): Error {
  return usageError(
    "CLEW_RPC_REPLY",
    `${operation}: the implementation returned ${tell(given)}; it must return a ${typeName}; {} is an empty one`,
  );
}

export function replyIsError(operation: string, given: Error): Error {
  return usageError(
    "CLEW_RPC_REPLY",
    `${operation}: the implementation returned the error ${tell(given.message)} instead of throwing it; use \`throw\`, so that the caller sees it`,
  );
}

export function streamMissing(operation: string, typeName: string, name: string, given: unknown): Error {
  return usageError(
    "CLEW_RPC_REPLY",
    `${operation}: the implementation returned ${tell(given)}; it must return an async iterable of ${typeName}: write it as \`async *${name}() { ... }\``,
  );
}

export function answerInvalid(operation: string, given: unknown): Error {
  const hint =
    typeof given === "function"
      ? "did you put a middleware into the chain without calling it, `recovery` instead of `recovery()`?"
      : "did a middleware forget `return next(call)`?";
  return usageError(
    "CLEW_RPC_ANSWER",
    `${operation}: the middleware chain returned ${tell(given)} instead of a promise; ${hint}`,
  );
}

export function implementationInvalid(service: string, methods: readonly string[], given: unknown): Error {
  const isClass = typeof given === "function" && /^class\b/.test(Function.prototype.toString.call(given));
  const what = isClass ? `the class ${given.name}` : tell(given);
  const hint = isClass ? `: pass \`new ${given.name}()\`` : "";
  return usageError(
    "CLEW_RPC_IMPLEMENTATION",
    `the implementation of ${service} is ${what}; it must be an object with ${methods.join(", ")}${hint}`,
  );
}

export function methodMissing(service: string, method: string, place: string, given: string[]): Error {
  return usageError(
    "CLEW_RPC_METHOD_MISSING",
    `service ${service}: the implementation has no method "${method}", which ${place} declares (it has: ${given.join(", ") || "none"})`,
  );
}

export function methodNoFunction(service: string, method: string, place: string, given: unknown): Error {
  return usageError(
    "CLEW_RPC_METHOD_MISSING",
    `service ${service}: "${method}" of the implementation is ${tell(given)}; it must be the function for the method that ${place} declares`,
  );
}

export function methodUnknown(service: string, method: string, place: string, known: string[]): Error {
  return usageError(
    "CLEW_RPC_METHOD_UNKNOWN",
    `service ${service}: the implementation has "${method}", but the service does not declare it, see ${place} (the service has: ${known.join(", ")})`,
  );
}

export function errorCodeOutOfRange(enumName: string, file: string, value: string, code: number): Error {
  return usageError(
    "CLEW_RPC_ERROR_CODE",
    `enum ${enumName} (${file}): value ${value} has the code ${code}; it must be an HTTP status from 300 to 600`,
  );
}

export function callReceivesStream(operation: string): Error {
  return usageError(
    "CLEW_RPC_STREAM",
    `${operation} takes a stream of messages: read it with call.messages(), not call.receive()`,
  );
}

export function callReceivesMessage(operation: string): Error {
  return usageError(
    "CLEW_RPC_MESSAGE",
    `${operation} takes one message: read it with call.receive(), not call.messages()`,
  );
}

export function errorCodeInvalid(given: unknown): Error {
  return usageError(
    "CLEW_RPC_SERVICE_ERROR",
    `the code of a ServiceError is ${tell(given)}; it must be a number, as in new ServiceError(404, "ORDER_NOT_FOUND", "no order 7")`,
  );
}

export function timeoutInvalid(given: unknown): Error {
  return usageError("CLEW_RPC_TIMEOUT", `timeoutMs is ${tell(given)}; it must be a number of milliseconds above 0`);
}
