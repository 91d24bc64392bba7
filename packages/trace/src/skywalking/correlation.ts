import { type Baggage, baggageEntryMetadataFromString, type Context, propagation } from "@opentelemetry/api";
import type { CorrelationLimits } from "./header.ts";

/** SkyWalking's limits, of Go's agent and Java's. */
export const defaultCorrelationLimits: CorrelationLimits = { maxKeys: 3, maxValueLength: 128 };

/**
 * The correlation is the part of OpenTelemetry's baggage whose entries have the property `sw`. So the user's other baggage does not
 * crowd into three places of 128 characters, and a correlation survives hops that speak W3C Baggage only (`baggage: user=ann;sw`).
 */
const property = "sw";

/** The correlation of a context. */
export function correlationOf(context: Context): Map<string, string> {
  const entries = new Map<string, string>();
  for (const [key, { value, metadata }] of propagation.getBaggage(context)?.getAllEntries() ?? []) {
    if (metadata !== undefined && isMarked(String(metadata))) entries.set(key, value);
  }
  return entries;
}

/**
 * With this entry in its correlation, one that is empty taken out. Undefined when it does not fit: its value is too long, or there
 * are as many other keys as there may be.
 */
export function setCorrelation(
  context: Context,
  key: string,
  value: string,
  limits: CorrelationLimits = defaultCorrelationLimits,
): Context | undefined {
  if (typeof key !== "string" || typeof value !== "string") return undefined;
  if (key === "" || value.length > limits.maxValueLength) return undefined;
  const baggage = propagation.getBaggage(context) ?? propagation.createBaggage();
  if (value === "") return propagation.setBaggage(context, baggage.removeEntry(key));
  const entries = correlationOf(context);
  if (!entries.has(key) && entries.size >= limits.maxKeys) return undefined;
  return propagation.setBaggage(context, putMarked(baggage, key, value));
}

/** With all these entries beside what is there. */
export function addCorrelation(context: Context, entries: ReadonlyMap<string, string>): Context {
  if (entries.size === 0) return context;
  let baggage = propagation.getBaggage(context) ?? propagation.createBaggage();
  for (const [key, value] of entries) baggage = putMarked(baggage, key, value);
  return propagation.setBaggage(context, baggage);
}

function putMarked(baggage: Baggage, key: string, value: string): Baggage {
  const properties = String(baggage.getEntry(key)?.metadata ?? "");
  const marked = isMarked(properties) ? properties : properties === "" ? property : `${properties};${property}`;
  return baggage.setEntry(key, { value, metadata: baggageEntryMetadataFromString(marked) });
}

function isMarked(properties: string): boolean {
  return properties.split(";").some((text) => text.trim() === property);
}
