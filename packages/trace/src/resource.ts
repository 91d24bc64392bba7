import { randomUUID } from "node:crypto";
import { kind, type OptionCheck } from "@clew/options";
import {
  type AttributeValue,
  type FlatAttributes,
  findAttribute,
  noAttributes,
  toAttributeValue,
} from "./attributes.ts";
import { type Environment, warnOfVariable } from "./environment.ts";
import { detectAttributes } from "./resource-detectors.ts";

/** The producer of spans: this process. There is one object per process, so encoders cache its bytes. */
export interface Resource {
  readonly attributes: FlatAttributes;
  /** The URL of the conventions that its attributes follow; empty if unknown. */
  readonly schemaUrl: string;
}

export const aResource: OptionCheck = kind("a resource, as createResource() makes one", (given) =>
  Array.isArray((given as Partial<Resource> | null)?.attributes),
);

export interface ResourceOptions {
  /** `service.name`. Default: OTEL_SERVICE_NAME, then OTEL_RESOURCE_ATTRIBUTES, then `unknown_service:node`. */
  service?: string;
  /** `service.version`. Default: the one in OTEL_RESOURCE_ATTRIBUTES, or none. */
  version?: string;
  /** `service.instance.id`. Default: the one in OTEL_RESOURCE_ATTRIBUTES, or a random UUID, the same for the whole process. */
  instanceId?: string;
  /** Additional attributes; they take precedence over detected ones. Default: none. */
  attributes?: Readonly<Record<string, unknown>>;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Environment;
}

/** The version of this package, for `telemetry.sdk.version`. A test compares it with package.json. */
export const sdkVersion = "0.1.0";

// One id per process: its traces, metrics and logs belong to the same instance.
const instanceId = randomUUID();

/**
 * Creates the resource of this process. Detection (see `detectAttributes`) takes two milliseconds. Options take precedence over the
 * environment, and the environment over detected attributes.
 */
export function createResource(options: ResourceOptions = {}): Resource {
  const env = options.env ?? process.env;
  const found = new Map<string, AttributeValue>([
    ["service.name", "unknown_service:node"],
    ["service.instance.id", instanceId],
    ["telemetry.sdk.name", "clew"],
    ["telemetry.sdk.language", "nodejs"],
    ["telemetry.sdk.version", sdkVersion],
  ]);
  const put = (attributes: Readonly<Record<string, unknown>>): void => {
    for (const [key, given] of Object.entries(attributes)) {
      const value = toAttributeValue(given, Number.POSITIVE_INFINITY);
      if (value !== undefined) found.set(key, value);
    }
  };
  put(detectAttributes(env));
  for (const [key, value] of parseResourceAttributes(env.OTEL_RESOURCE_ATTRIBUTES)) found.set(key, value);
  if (env.OTEL_SERVICE_NAME) found.set("service.name", env.OTEL_SERVICE_NAME);
  put(options.attributes ?? {});
  if (options.service !== undefined) found.set("service.name", options.service);
  if (options.version !== undefined) found.set("service.version", options.version);
  if (options.instanceId !== undefined) found.set("service.instance.id", options.instanceId);
  return { attributes: Object.freeze([...found].flat()) as FlatAttributes, schemaUrl: "" };
}

/** The resource of spans from an unknown producer. */
export const emptyResource: Resource = Object.freeze({ attributes: noAttributes, schemaUrl: "" });

/** Returns the service name of a resource, or `unknown_service` if it has none. */
export function serviceNameOf(resource: Resource): string {
  const name = findAttribute(resource.attributes, "service.name");
  return typeof name === "string" && name !== "" ? name : "unknown_service";
}

// `key=value,key=value`, percent-encoded; one invalid entry invalidates all, as OpenTelemetry's resource SDK specifies.
function parseResourceAttributes(text: string | undefined): [string, string][] {
  if (!text) return [];
  const found: [string, string][] = [];
  for (const entry of text.split(",")) {
    if (entry.trim() === "") continue;
    const equals = entry.indexOf("=");
    if (equals <= 0) return malformed(text);
    try {
      const key = decodeURIComponent(entry.slice(0, equals).trim());
      found.push([key, decodeURIComponent(entry.slice(equals + 1).trim())]);
    } catch {
      return malformed(text);
    }
  }
  return found;
}

function malformed(text: string): [] {
  warnOfVariable("OTEL_RESOURCE_ATTRIBUTES", text, "key=value,key=value, percent-encoded", "none of it");
  return [];
}
