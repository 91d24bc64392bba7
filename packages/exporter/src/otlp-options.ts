import type { SecureContextOptions } from "node:tls";
import type { Logger } from "@clew/log";
import {
  aLogger,
  aNumber,
  anObject,
  anything,
  aText,
  checkOptions,
  type OptionCheck,
  type OptionChecks,
  oneOf,
  optionsWith,
  recordOf,
  wholeNumberFrom,
} from "@clew/options";
import { checkHeaders } from "./check-headers.ts";
import { compressionUnknown, endpointInvalid, optionError, protocolUnknown } from "./errors.ts";
import { findVariable, resolveMs, type Variable } from "./resolve-ms.ts";
import { type RetryOptions, type RetrySettings, resolveRetryOptions, retryChecks } from "./retry.ts";
import { resolveTlsOptions, type TlsOptions, tlsChecks } from "./tls.ts";

/** The kind of telemetry. Each has its own variables and its own path. */
export type OtlpSignal = "traces" | "metrics" | "logs";

const otlpProtocols = ["http/protobuf", "http/json", "grpc"] as const;
export type OtlpProtocol = (typeof otlpProtocols)[number];

/** The thread that sends. */
export type OtlpThread = "main" | "worker";

export const aThread: OptionCheck = oneOf("main", "worker");

/**
 * Where OTLP is sent, and how. Options that are not given are read from the environment: for traces OTEL_EXPORTER_OTLP_TRACES_X
 * (METRICS and LOGS accordingly), or else OTEL_EXPORTER_OTLP_X. Below, both are called X.
 */
export interface OtlpOptions {
  /**
   * The protocol: "http/protobuf", "http/json" or "grpc". Default: PROTOCOL; or "grpc" when the endpoint begins with
   * grpc://; or "http/protobuf".
   */
  protocol?: OtlpProtocol;
  /**
   * The URL of the collector. Over HTTP, spans are sent to `<endpoint>/v1/traces`. Default: ENDPOINT (the variable for traces is used
   * unchanged), or `http://localhost:4318`, with gRPC `http://localhost:4317`.
   */
  endpoint?: string;
  /** Headers sent with every request. Default: HEADERS (`key=value,key=value`, percent-encoded), or none. */
  headers?: Readonly<Record<string, string>>;
  /**
   * How request bodies are compressed. "gzip" sends a fifth of the bytes, and compresses off the main thread. Default: COMPRESSION, or
   * "gzip"; for a collector on this machine "none", because there compressing costs more (3.5 us of CPU per span) than it saves.
   */
  compression?: "gzip" | "none";
  /** How long one attempt may take, from connecting to the end of the reply, in milliseconds. Default: TIMEOUT, or 10_000. */
  timeoutMs?: number;
  /** The TLS certificates for https:// and grpcs://. Default: see {@link TlsOptions}. */
  tls?: TlsOptions;
  /** How long and how often a request is retried. Default: see {@link RetryOptions}. */
  retry?: RetryOptions;
  /** The maximum number of concurrent exports; further ones resolve with "unavailable" at once. Default: 4. */
  maxConcurrentExports?: number;
  /**
   * The thread that compresses and sends requests: "main" is the thread that created the exporter; "worker" is a separate thread. A
   * worker costs 22 MB and some CPU on another core, and takes the work of HTTP, gRPC and TLS off this thread. Default: "main".
   */
  thread?: OtlpThread;
  /** Logs when exporting begins to fail, when it works again, and what the collector refuses. Default: nothing is logged. */
  logger?: Logger;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

export interface OtlpSettings {
  readonly signal: OtlpSignal;
  readonly protocol: OtlpProtocol;
  /** With gRPC only the scheme, `http:` or `https:`, and the host are used. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: "gzip" | "none";
  readonly timeoutMs: number;
  readonly tls: SecureContextOptions;
  readonly retry: RetrySettings;
  readonly maxConcurrentExports: number;
  readonly thread: OtlpThread;
  readonly logger: Logger | undefined;
}

/**
 * The checks for all exporters that send requests. Options checked as `anything`, and the range of times, are checked later, together
 * with the corresponding variables.
 */
export const destinationChecks: OptionChecks<Omit<OtlpOptions, "protocol" | "thread">> = {
  endpoint: aText,
  headers: recordOf('an object of strings, such as { authorization: "Bearer a1b2" }', aText),
  compression: anything,
  timeoutMs: aNumber,
  tls: optionsWith(tlsChecks),
  retry: optionsWith(retryChecks),
  maxConcurrentExports: wholeNumberFrom(1),
  logger: aLogger,
  env: anObject,
};

export const otlpOptionChecks: OptionChecks<OtlpOptions> = {
  protocol: anything,
  ...destinationChecks,
  thread: aThread,
};

const owners: Readonly<Record<OtlpSignal, string>> = {
  traces: "OtlpExporter",
  metrics: "OtlpMetricsExporter",
  logs: "OtlpLogs",
};

/**
 * @throws CLEW_EXPORTER_OPTION, CLEW_EXPORTER_ENDPOINT, CLEW_EXPORTER_PROTOCOL, CLEW_EXPORTER_COMPRESSION, CLEW_EXPORTER_TIMEOUT,
 * CLEW_EXPORTER_CERTIFICATE
 */
export function resolveOtlpOptions(
  signal: OtlpSignal,
  options: OtlpOptions = {},
  checks: OptionChecks<OtlpOptions> = otlpOptionChecks,
): OtlpSettings {
  checkOptions(owners[signal], options, checks, optionError);
  const env = options.env ?? process.env;
  const variable = (end: string): Variable | undefined => {
    for (const name of [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${end}`, `OTEL_EXPORTER_OTLP_${end}`]) {
      const found = findVariable(env, name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const setting = (end: string): string | undefined => variable(end)?.[1];
  const [endpointName, endpoint] =
    options.endpoint === undefined ? (variable("ENDPOINT") ?? ["", undefined]) : ["endpoint", options.endpoint];
  const isGrpcEndpoint = endpoint !== undefined && /^grpcs?:/i.test(endpoint);
  const protocol = options.protocol ?? setting("PROTOCOL") ?? (isGrpcEndpoint ? "grpc" : "http/protobuf");
  if (!isProtocol(protocol)) throw protocolUnknown(protocol);
  // Only the variable of a single signal contains the whole path.
  const isExact = endpointName === `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
  const url =
    protocol === "grpc"
      ? toGrpcUrl(endpoint ?? "http://localhost:4317", setting("INSECURE") === "true")
      : toHttpUrl(endpoint ?? "http://localhost:4318", isExact ? "" : `/v1/${signal}`);
  const compression = options.compression ?? setting("COMPRESSION") ?? (isLoopback(url) ? "none" : "gzip");
  if (compression !== "gzip" && compression !== "none") throw compressionUnknown(compression);
  const [headersName = "headers", headersText] = variable("HEADERS") ?? [];
  const headers = options.headers ?? parseHeaders(headersText);
  checkHeaders(options.headers === undefined ? headersName : "headers", headers);
  return {
    signal,
    protocol,
    url,
    headers,
    compression,
    timeoutMs: resolveMs("timeoutMs", options.timeoutMs, variable("TIMEOUT"), 10_000),
    tls: resolveTlsOptions(options.tls, variable),
    retry: resolveRetryOptions(options.retry),
    maxConcurrentExports: options.maxConcurrentExports ?? 4,
    thread: options.thread ?? "main",
    logger: options.logger,
  };
}

/** OpenTelemetry's `otel.component.type` for an exporter of this signal and protocol. */
export function componentTypeOf({ signal, protocol }: OtlpSettings): string {
  const way = { "http/protobuf": "http", "http/json": "http_json", grpc: "grpc" }[protocol];
  return `otlp_${way}_${{ traces: "span", metrics: "metric", logs: "log" }[signal]}_exporter`;
}

function isProtocol(name: string): name is OtlpProtocol {
  return (otlpProtocols as readonly string[]).includes(name);
}

function toHttpUrl(given: string, path: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) throw endpointInvalid(given);
  if (!url.pathname.endsWith(path)) url.pathname = `${url.pathname.replace(/\/+$/, "")}${path}`;
  return url;
}

/** The scheme (`http`, `https`, `grpc`, `grpcs`) decides whether TLS is used; for `host:4317` without a scheme, `isInsecure` does. */
function toGrpcUrl(given: string, isInsecure: boolean): URL {
  const [, scheme, rest] = /^(?:(https?|grpcs?):\/\/)?([^/]+)\/?$/i.exec(given) ?? [];
  const isSecure = scheme === undefined ? !isInsecure : /s$/i.test(scheme);
  const text = `${isSecure ? "https" : "http"}://${rest}`;
  if (rest === undefined || !URL.canParse(text)) throw endpointInvalid(given);
  return new URL(text);
}

export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Parses `key=value,key=value`, percent-encoded; entries that are not pairs are ignored. */
function parseHeaders(text: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const pair of (text ?? "").split(",")) {
    const equals = pair.indexOf("=");
    if (equals < 1) continue;
    const value = pair.slice(equals + 1).trim();
    try {
      headers[pair.slice(0, equals).trim().toLowerCase()] = decodeURIComponent(value);
    } catch {
      headers[pair.slice(0, equals).trim().toLowerCase()] = value;
    }
  }
  return headers;
}
