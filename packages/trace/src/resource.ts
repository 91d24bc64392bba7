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

/** What makes spans: this process. One object per process, so encoders keep its bytes. */
export interface Resource {
  readonly attributes: FlatAttributes;
  /** Of the conventions its attributes follow; empty when it is not known. */
  readonly schemaUrl: string;
}

export const aResource: OptionCheck = kind("a resource, as createResource() makes one", (given) =>
  Array.isArray((given as Partial<Resource> | null)?.attributes),
);

export interface ResourceOptions {
  /** `service.name`. Default: OTEL_SERVICE_NAME, then OTEL_RESOURCE_ATTRIBUTES, then `unknown_service:node`. */
  service?: string;
  /** `service.version`. Default: what OTEL_RESOURCE_ATTRIBUTES says, or none. */
  version?: string;
  /** `service.instance.id`. Default: what OTEL_RESOURCE_ATTRIBUTES says, or a random UUID, the same for the whole process. */
  instanceId?: string;
  /** More of them; they win over what is found out. Default: none. */
  attributes?: Readonly<Record<string, unknown>>;
  /** Where the OTEL_ variables are read. Default: process.env. */
  env?: Environment;
}

/** The version of this package, told as `telemetry.sdk.version`. A test holds it to package.json. */
export const sdkVersion = "0.1.0";

// Once for the process: its traces, metrics and logs are of one instance.
const instanceId = randomUUID();

/** The resource of this process. It looks around (see `detectAttributes`), which takes two milliseconds. What the code says wins over the environment, the environment over what is found out. */
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

/** The resource of spans whose maker said nothing. */
export const emptyResource: Resource = Object.freeze({ attributes: noAttributes, schemaUrl: "" });

/** The service that a resource names; `unknown_service` when it does not. */
export function serviceNameOf(resource: Resource): string {
  const name = findAttribute(resource.attributes, "service.name");
  return typeof name === "string" && name !== "" ? name : "unknown_service";
}

// `key=value,key=value`, percent-encoded; one bad entry spoils the whole, as OpenTelemetry's resource SDK specifies.
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
