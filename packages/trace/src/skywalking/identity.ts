import { randomUUID } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { anObject, aText, type OptionChecks } from "@clew/options";
import { cut, maxInstanceLength, maxServiceLength } from "./text-limits.ts";

export interface IdentityOptions {
  /** The service's name, at most 50 characters. Default: SW_AGENT_NAME, or OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** A part of the fleet: the service is `service|namespace|cluster` then. Default: SW_AGENT_NAMESPACE, or none. */
  namespace?: string;
  /** Where that part runs, told in the same way. Default: SW_AGENT_CLUSTER, or none. */
  cluster?: string;
  /**
   * This process's name, at most 50 characters. Default: SW_AGENT_INSTANCE_NAME (Go's), or SW_AGENT_INSTANCE (Node's), or
   * `<random>@<IPv4 address>`.
   */
  instance?: string;
  /** Where the variables are read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

export const identityChecks: OptionChecks<IdentityOptions> = {
  service: aText,
  namespace: aText,
  cluster: aText,
  instance: aText,
  env: anObject,
};

/** Under which names SkyWalking sees this process; headers and segments must agree on them. */
export interface Identity {
  readonly service: string;
  readonly instance: string;
}

export function resolveIdentity(options: IdentityOptions = {}): Identity {
  const env = options.env ?? process.env;
  const name = options.service || env.SW_AGENT_NAME || env.OTEL_SERVICE_NAME || "unknown_service:node";
  const { namespace = "", cluster = "" } = resolvePartition(options);
  // As Java's agent joins them: what is missing leaves its place empty.
  const service = namespace === "" && cluster === "" ? name : `${name}|${namespace}|${cluster}`;
  const instance = options.instance || env.SW_AGENT_INSTANCE_NAME || env.SW_AGENT_INSTANCE || defaultInstance();
  return { service: cut(service, maxServiceLength), instance: cut(instance, maxInstanceLength) };
}

/** The part of the fleet, under the names of the instance's properties; what is not told is not in it. */
export function resolvePartition(options: IdentityOptions): { namespace?: string; cluster?: string } {
  const env = options.env ?? process.env;
  const namespace = options.namespace ?? env.SW_AGENT_NAMESPACE;
  const cluster = options.cluster ?? env.SW_AGENT_CLUSTER;
  return { ...(namespace ? { namespace } : {}), ...(cluster ? { cluster } : {}) };
}

let madeInstance: string | undefined;

// Once for the process: who asks twice must not be seen as two.
function defaultInstance(): string {
  madeInstance ??= `${randomUUID().replaceAll("-", "")}@${ipv4Addresses()[0] ?? hostname()}`;
  return madeInstance;
}

/** The addresses under which this machine is known to others. */
export function ipv4Addresses(): string[] {
  const found: string[] = [];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { family, internal, address } of addresses ?? []) {
      if (family === "IPv4" && !internal) found.push(address);
    }
  }
  return found;
}
