import { randomUUID } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from "node:worker_threads";
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
   * that of the process in its workers, or `<random>@<IPv4 address>`.
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
  const identity = { service: cut(service, maxServiceLength), instance: cut(instance, maxInstanceLength) };
  // For the workers that are started from here on.
  if (isMainThread) setEnvironmentData(instanceKey, identity.instance);
  return identity;
}

/** The part of the fleet, under the names of the instance's properties; what is not told is not in it. */
export function resolvePartition(options: IdentityOptions): { namespace?: string; cluster?: string } {
  const env = options.env ?? process.env;
  const namespace = options.namespace ?? env.SW_AGENT_NAMESPACE;
  const cluster = options.cluster ?? env.SW_AGENT_CLUSTER;
  return { ...(namespace ? { namespace } : {}), ...(cluster ? { cluster } : {}) };
}

const instanceKey = "clew.skywalking.instance";

/** The instance of the process, as a worker knows it; undefined on the main thread. */
function sharedInstance(): string | undefined {
  const shared = isMainThread ? undefined : getEnvironmentData(instanceKey);
  return typeof shared === "string" ? shared : undefined;
}

/**
 * Whose the meters of this thread are: a worker's that shares its process's instance are of an instance of their own, `<instance>#<thread
 * id>`, for those of two threads under one name would overwrite each other.
 */
export function threadIdentity(identity: Identity): Identity {
  if (identity.instance !== sharedInstance()) return identity;
  const end = `#${threadId}`;
  return { service: identity.service, instance: `${cut(identity.instance, maxInstanceLength - end.length)}${end}` };
}

let madeInstance: string | undefined;

// Once for the process, its workers among it: who asks twice must not be seen as two.
function defaultInstance(): string {
  madeInstance ??= sharedInstance() ?? `${randomUUID().replaceAll("-", "")}@${ipv4Addresses()[0] ?? hostname()}`;
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
