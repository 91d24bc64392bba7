/** What a developer did wrong, found when a service is put together. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function methodMissing(service: string, method: string, place: string, given: string[]): Error {
  return usageError(
    "CLEW_RPC_METHOD_MISSING",
    `service ${service}: the implementation has no method "${method}", which ${place} declares (it has: ${given.join(", ") || "none"})`,
  );
}

export function methodUnknown(service: string, method: string, place: string, known: string[]): Error {
  return usageError(
    "CLEW_RPC_METHOD_UNKNOWN",
    `service ${service}: the implementation has "${method}", which the service does not, see ${place} (it has: ${known.join(", ")})`,
  );
}

export function errorCodeOutOfRange(enumName: string, value: string, code: number): Error {
  return usageError(
    "CLEW_RPC_ERROR_CODE",
    `enum ${enumName}: value ${value} has the code ${code}; a code is an HTTP status from 300 to 600`,
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

export function timeoutInvalid(given: unknown): Error {
  return usageError("CLEW_RPC_TIMEOUT", `timeoutMs is ${String(given)}; it must be a number of milliseconds above 0`);
}
