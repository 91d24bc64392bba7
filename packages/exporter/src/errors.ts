/** What a developer did wrong while setting an exporter up. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function endpointInvalid(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_ENDPOINT",
    `the OTLP endpoint is ${JSON.stringify(given)}; it must be a URL such as http://127.0.0.1:4318`,
  );
}

export function compressionUnknown(given: string): Error {
  return usageError(
    "CLEW_EXPORTER_COMPRESSION",
    `the compression is ${JSON.stringify(given)}; it must be gzip or none`,
  );
}

export function timeoutInvalid(given: unknown): Error {
  return usageError(
    "CLEW_EXPORTER_TIMEOUT",
    `timeoutMs is ${String(given)}; it must be a number of milliseconds above 0`,
  );
}
