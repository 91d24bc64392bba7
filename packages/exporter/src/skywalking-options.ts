import type { SecureContextOptions } from "node:tls";
import type { Logger } from "@clew/log";
import {
  aBoolean,
  aLogger,
  aNumber,
  anything,
  aText,
  checkOptions,
  listOf,
  type OptionChecks,
  optionsWith,
  recordOf,
} from "@clew/options";
import { readWord, sdkVersion, warnOfVariable } from "@clew/trace";
import {
  type Identity,
  type IdentityOptions,
  identityChecks,
  resolveIdentity,
  resolvePartition,
} from "@clew/trace/skywalking";
import { checkHeaders } from "./check-headers.ts";
import { backendInvalid, optionError, propertiesInvalid, skyWalkingProtocolUnknown } from "./errors.ts";
import { findVariable, resolveMs } from "./resolve-ms.ts";
import {
  kafkaCheck,
  resolveSkyWalkingKafka,
  type SkyWalkingKafkaOptions,
  type SkyWalkingKafkaSettings,
} from "./skywalking-kafka.ts";
import { resolveTlsOptions, type TlsOptions, tlsChecks } from "./tls.ts";

/**
 * Where SkyWalking's collector is, and how reports are sent to it. Options that are not given are read from the variables of
 * SkyWalking's agents for Go and for Node; the first variable named below that is set is used.
 */
export interface SkyWalkingOptions extends IdentityOptions {
  /**
   * Sends segments, properties, heartbeats, logs and meters through Kafka, from where the collector fetches them. Default: none.
   */
  kafka?: SkyWalkingKafkaOptions;
  /** The protocol. "http" is for collectors that gRPC cannot reach: segments, properties, heartbeats, logs only. Default: "grpc". */
  protocol?: "grpc" | "http";
  /**
   * Addresses, `host:port`. One of them is used, and another one when it is unavailable. Default:
   * SW_AGENT_COLLECTOR_BACKEND_SERVICES, or SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE (comma-separated), or `127.0.0.1:11800`; over HTTP
   * port 12800.
   */
  backends?: readonly string[];
  /** The collector's token. Default: SW_AGENT_AUTHENTICATION, or SW_AGENT_REPORTER_GRPC_AUTHENTICATION, or none. */
  authentication?: string;
  /** Whether to use TLS. Default: SW_AGENT_SECURE, or SW_AGENT_REPORTER_GRPC_TLS_ENABLE, or whether `tls` is given. */
  secure?: boolean;
  /**
   * The TLS certificates. Default: the files named by SW_AGENT_REPORTER_GRPC_TLS_CA_PATH, _CLIENT_CERT_CHAIN_PATH and
   * _CLIENT_KEY_PATH, or the certificate authorities of the system.
   */
  tls?: TlsOptions;
  /** Whether any certificate is accepted. Default: SW_AGENT_REPORTER_GRPC_TLS_INSECURE_SKIP_VERIFY, or false. */
  insecureSkipVerify?: boolean;
  /** How long one report may take, in milliseconds. Default: SW_AGENT_TRACE_TIMEOUT, or 10_000. */
  timeoutMs?: number;
  /** The time between two heartbeats, in milliseconds. Default: SW_AGENT_REPORTER_CHECK_INTERVAL (seconds), or 20_000. */
  heartbeatMs?: number;
  /** Additional properties of this instance. Default: SW_INSTANCE_PROPERTIES_JSON, or none. */
  properties?: Readonly<Record<string, string>>;
  /** The layer of the service. Default: "GENERAL". */
  layer?: string;
  /** Logs when the collector is unavailable, when it is available again, and what it refuses. Default: nothing is logged. */
  logger?: Logger;
}

export interface SkyWalkingSettings {
  readonly identity: Identity;
  readonly protocol: "grpc" | "http" | "kafka";
  /** Undefined with other protocols. */
  readonly kafka: SkyWalkingKafkaSettings | undefined;
  /** Whether reports are discarded instead of sent: SW_AGENT_REPORTER_DISCARD. */
  readonly isDiscarding: boolean;
  readonly backends: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly isSecure: boolean;
  readonly tls: SecureContextOptions & { readonly rejectUnauthorized?: boolean };
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly layer: string;
  readonly logger: Logger | undefined;
}

const tlsVariables: Readonly<Record<string, string>> = {
  CERTIFICATE: "SW_AGENT_REPORTER_GRPC_TLS_CA_PATH",
  CLIENT_CERTIFICATE: "SW_AGENT_REPORTER_GRPC_TLS_CLIENT_CERT_CHAIN_PATH",
  CLIENT_KEY: "SW_AGENT_REPORTER_GRPC_TLS_CLIENT_KEY_PATH",
};

/** Options checked as `anything`, and the range of times, are checked later, together with the corresponding variables. */
export const skyWalkingChecks: OptionChecks<SkyWalkingOptions> = {
  ...identityChecks,
  kafka: kafkaCheck,
  protocol: anything,
  backends: listOf('a list of addresses, such as ["127.0.0.1:11800"]', aText),
  authentication: aText,
  secure: aBoolean,
  tls: optionsWith(tlsChecks),
  insecureSkipVerify: aBoolean,
  timeoutMs: aNumber,
  heartbeatMs: aNumber,
  properties: recordOf('an object of strings, such as { zone: "a" }', aText),
  layer: aText,
  logger: aLogger,
};

/** @throws CLEW_EXPORTER_OPTION, CLEW_EXPORTER_BACKEND, CLEW_EXPORTER_PROTOCOL, CLEW_EXPORTER_TIMEOUT, CLEW_EXPORTER_CERTIFICATE, CLEW_EXPORTER_PROPERTIES */
export function resolveSkyWalkingOptions(options: SkyWalkingOptions = {}): SkyWalkingSettings {
  checkOptions("SkyWalkingExporter", options, skyWalkingChecks, optionError);
  const env = options.env ?? process.env;
  const isOn = (name: string): boolean => {
    const word = readWord(env, name, ["true", "false", "1", "0"], "false");
    return word === "true" || word === "1";
  };
  const given = options.protocol ?? "grpc";
  if (given !== "grpc" && given !== "http") throw skyWalkingProtocolUnknown(given);
  const protocol = options.kafka === undefined ? given : "kafka";
  if (protocol !== "kafka" && env.SW_AGENT_REPORTER_TYPE?.trim().toLowerCase() === "kafka") {
    warnOfVariable("SW_AGENT_REPORTER_TYPE", "kafka", "grpc; kafka with the option `kafka: { producer }`", protocol);
  }
  const [name, authentication] =
    options.authentication === undefined
      ? (findVariable(env, "SW_AGENT_AUTHENTICATION") ??
        findVariable(env, "SW_AGENT_REPORTER_GRPC_AUTHENTICATION") ?? ["", ""])
      : ["skywalking", options.authentication];
  checkHeaders(name, { authentication });
  const insecure = options.insecureSkipVerify ?? isOn("SW_AGENT_REPORTER_GRPC_TLS_INSECURE_SKIP_VERIFY");
  const tls = resolveTlsOptions(options.tls, (end) => {
    return findVariable(env, tlsVariables[end]!);
  });
  const timeout = findVariable(env, "SW_AGENT_TRACE_TIMEOUT");
  const heartbeat = findVariable(env, "SW_AGENT_REPORTER_CHECK_INTERVAL");
  return {
    identity: resolveIdentity(options),
    protocol,
    kafka: options.kafka && resolveSkyWalkingKafka(options.kafka, env),
    isDiscarding: isOn("SW_AGENT_REPORTER_DISCARD"),
    backends: resolveBackends(options, protocol, env),
    headers: {
      "agent-version": `clew-${sdkVersion}`,
      ...(authentication ? { authentication } : {}),
    },
    isSecure:
      options.secure ??
      (options.tls !== undefined || isOn("SW_AGENT_SECURE") || isOn("SW_AGENT_REPORTER_GRPC_TLS_ENABLE")),
    tls: insecure ? { ...tls, rejectUnauthorized: false } : tls,
    timeoutMs: resolveMs("timeoutMs", options.timeoutMs, timeout, 10_000),
    heartbeatMs: resolveMs("heartbeatMs", options.heartbeatMs, heartbeat, 20_000, 1000),
    properties: {
      ...resolvePartition(options),
      ...(options.properties ?? parseProperties(env.SW_INSTANCE_PROPERTIES_JSON)),
    },
    layer: options.layer ?? "GENERAL",
    logger: options.logger,
  };
}

function resolveBackends(
  options: SkyWalkingOptions,
  protocol: SkyWalkingSettings["protocol"],
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (protocol === "kafka") return ["kafka"];
  const text = env.SW_AGENT_COLLECTOR_BACKEND_SERVICES || env.SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE;
  const given = options.backends ?? text?.split(",") ?? [protocol === "http" ? "127.0.0.1:12800" : "127.0.0.1:11800"];
  const backends = given.map((backend) => backend.trim()).filter((backend) => backend !== "");
  if (backends.length === 0) throw backendInvalid(given.join(","));
  for (const backend of backends) {
    if (!/^(\[[0-9a-fA-F:]+\]|[^\s:/,[\]]+):\d{1,5}$/.test(backend)) throw backendInvalid(backend);
  }
  return backends;
}

function parseProperties(text: string | undefined): Record<string, string> {
  if (!text?.trim()) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw propertiesInvalid(text);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw propertiesInvalid(text);
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, String(value)]));
}
