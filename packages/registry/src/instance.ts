import { instanceInvalid } from "./errors.ts";

/**
 * A running process of a service, as it is registered. Its JSON has exactly the five keys that Kratos stores in its registries.
 */
export interface Instance {
  /** Identifies this process among all others. */
  readonly id: string;
  /** The name of the service. */
  readonly name: string;
  /** Empty when there is none. */
  readonly version: string;
  /** Labels such as `weight` and `zone`, by which callers may choose. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The URLs at which it is reached, one for each protocol: `grpc://10.0.0.5:9000`. */
  readonly endpoints: readonly string[];
}

/** The values that an instance is created from. */
export interface InstanceInit {
  id: string;
  name: string;
  /** Default: "". */
  version?: string;
  /** Default: none. */
  metadata?: Readonly<Record<string, string>>;
  endpoints: readonly (string | URL)[];
}

/**
 * Creates a frozen instance.
 *
 * @throws CLEW_REGISTRY_INSTANCE when a value is invalid.
 */
export function createInstance(init: InstanceInit): Instance {
  const endpoints = init.endpoints.map((endpoint) =>
    // A URL object ends in "/" where its text was "http://host:port"; registries store it without.
    typeof endpoint === "string" ? endpoint : endpoint.href.replace(/\/$/, ""),
  );
  const instance = parseInstance({ version: "", metadata: {}, ...init, endpoints });
  for (const endpoint of instance.endpoints) {
    if (!endpointPattern.test(endpoint)) {
      throw instanceInvalid("endpoint", endpoint, 'a URL such as "grpc://10.0.0.5:9000"');
    }
  }
  return instance;
}

const endpointPattern = /^[a-z][a-z\d+.-]*:\/\/[^/?#\s]+(?:[/?#]\S*)?$/i;

/**
 * Reads an entry of a registry: JSON text, or its parsed value. Unknown keys are ignored, and only `id` and `name` are
 * required, because other programs write to registries too.
 *
 * @throws CLEW_REGISTRY_INSTANCE, which names the invalid field.
 */
export function parseInstance(value: unknown): Instance {
  const record = toRecord(value);
  return Object.freeze({
    id: toText(record, "id", true),
    name: toText(record, "name", true),
    version: toText(record, "version", false),
    metadata: toMetadata(record.metadata),
    endpoints: toEndpoints(record.endpoints),
  });
}

/** Writes the JSON for a registry: five keys in this order and no spaces, as Kratos writes it. */
export function formatInstance(instance: Instance): string {
  const { id, name, version, metadata, endpoints } = instance;
  // Go writes the keys of a map in sorted order.
  const sorted = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify({ id, name, version, metadata: sorted, endpoints });
}

/** Whether two lists contain the same instances. The order of instances, endpoints and metadata does not matter. */
export function areSameInstances(a: readonly Instance[], b: readonly Instance[]): boolean {
  if (a.length !== b.length) return false;
  const left = a.map(signature).sort();
  const right = b.map(signature).sort();
  return left.every((text, index) => text === right[index]);
}

function signature(instance: Instance): string {
  return formatInstance({ ...instance, endpoints: instance.endpoints.toSorted() });
}

function toRecord(value: unknown): Record<string, unknown> {
  let parsed = value;
  if (typeof value === "string") {
    try {
      parsed = JSON.parse(value);
    } catch {
      throw instanceInvalid("", value, "a JSON object");
    }
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw instanceInvalid("", parsed, "a JSON object");
  }
  return parsed as Record<string, unknown>;
}

function toText(record: Record<string, unknown>, field: string, isNeeded: boolean): string {
  const value = record[field];
  if (!isNeeded && (value === undefined || value === null)) return "";
  if (typeof value !== "string" || (isNeeded && value === "")) {
    throw instanceInvalid(field, value, isNeeded ? "a non-empty string" : "a string");
  }
  return value;
}

function toMetadata(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return noMetadata;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw instanceInvalid("metadata", value, "an object of strings, or null");
  }
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw instanceInvalid(`metadata.${key}`, text, "a string");
    // An assignment would not create a key such as "__proto__".
    Object.defineProperty(metadata, key, { value: text, enumerable: true });
  }
  return Object.freeze(metadata);
}

const noMetadata: Readonly<Record<string, string>> = Object.freeze({});

function toEndpoints(value: unknown): readonly string[] {
  if (value === undefined || value === null) return noEndpoints;
  if (!Array.isArray(value)) throw instanceInvalid("endpoints", value, "a list of URLs");
  for (const [index, endpoint] of value.entries()) {
    if (typeof endpoint !== "string") throw instanceInvalid(`endpoints[${index}]`, endpoint, "a URL as text");
  }
  return Object.freeze([...(value as string[])]);
}

const noEndpoints: readonly string[] = Object.freeze([]);
