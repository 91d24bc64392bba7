import { readFileSync } from "node:fs";
import type { SecureContextOptions } from "node:tls";
import { kind, type OptionChecks } from "@clew/options";
import { certificateUnreadable } from "./errors.ts";

/** The certificates for TLS, in PEM. */
export interface TlsOptions {
  /** Certificate authorities to trust instead of the system's. Default: OTEL_EXPORTER_OTLP_CERTIFICATE (a file's path), or the system's. */
  ca?: string | Buffer;
  /** The client certificate, for collectors that require one. Default: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE (a file's path), or none. */
  cert?: string | Buffer;
  /** The key of the client certificate. Default: OTEL_EXPORTER_OTLP_CLIENT_KEY (a file's path), or none. */
  key?: string | Buffer;
}

const pem = kind(
  "the PEM text of it, or a Buffer with that",
  (given) => typeof given === "string" || given instanceof Uint8Array,
);

export const tlsChecks: OptionChecks<TlsOptions> = { ca: pem, cert: pem, key: pem };

/**
 * Resolves the certificates. Files named in variables are read here, once.
 *
 * @param setting returns the name and the value of a variable, given the end of its name
 * @throws CLEW_EXPORTER_CERTIFICATE
 */
export function resolveTlsOptions(
  options: TlsOptions = {},
  setting: (end: string) => readonly [name: string, value: string] | undefined,
): SecureContextOptions {
  const resolved: SecureContextOptions = {};
  const ca = options.ca ?? readSetting(setting("CERTIFICATE"));
  const cert = options.cert ?? readSetting(setting("CLIENT_CERTIFICATE"));
  const key = options.key ?? readSetting(setting("CLIENT_KEY"));
  if (ca !== undefined) resolved.ca = ca;
  if (cert !== undefined) resolved.cert = cert;
  if (key !== undefined) resolved.key = key;
  return resolved;
}

function readSetting(found: readonly [name: string, value: string] | undefined): Buffer | undefined {
  if (found === undefined) return undefined;
  const [name, path] = found;
  try {
    return readFileSync(path);
  } catch (error) {
    throw certificateUnreadable(name, path, error);
  }
}
