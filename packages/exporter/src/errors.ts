import type { OptionError } from "@clew/options";

/** A developer's mistake in setting up an exporter. `code` is stable; the message says which values are valid. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function endpointInvalid(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_ENDPOINT",
    `the endpoint is ${JSON.stringify(given)}; it must be a URL such as http://127.0.0.1:4318`,
  );
}

export function protocolUnknown(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_PROTOCOL",
    `the OTLP protocol is ${JSON.stringify(given)}; it must be http/protobuf, http/json or grpc`,
  );
}

export const fileOptionError: OptionError = (message) => usageError("CLEW_EXPORTER_FILE_OPTION", message);

export function certificateUnreadable(name: string, path: string, cause: unknown): Error {
  return usageError(
    "CLEW_EXPORTER_CERTIFICATE",
    `${name} names the file ${JSON.stringify(path)}, which cannot be read: ${(cause as Error).message}`,
  );
}

export function compressionUnknown(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_COMPRESSION",
    `the compression is ${JSON.stringify(given)}; it must be gzip or none`,
  );
}

export function timeoutInvalid(name: string, given: unknown, unit: string): Error {
  return usageError("CLEW_EXPORTER_TIMEOUT", `${name} is ${String(given)}; it must be a number of ${unit} above 0`);
}

export function backendInvalid(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_BACKEND",
    `the SkyWalking backend is ${JSON.stringify(given)}; it must be host:port, or several with commas between`,
  );
}

export function skyWalkingProtocolUnknown(given: string): Error {
  return usageError("CLEW_EXPORTER_PROTOCOL", `the protocol is ${JSON.stringify(given)}; it must be grpc or http`);
}

export function propertiesInvalid(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_PROPERTIES",
    `SW_INSTANCE_PROPERTIES_JSON is ${JSON.stringify(given)}; it must be a JSON object`,
  );
}

export const optionError: OptionError = (message) => usageError("CLEW_EXPORTER_OPTION", message);
