import type { DeltaMemory, MetricData, MetricsData } from "@clew/metrics";
import type { FlatAttributes } from "@clew/trace";

/** Anything that can be collected from. */
interface Collectable {
  collect(memory?: DeltaMemory): Promise<MetricsData>;
}

/** The metric of this name; throws when there is none. */
export async function collectOne(provider: Collectable, name: string, memory?: DeltaMemory): Promise<MetricData> {
  const { scopes } = await provider.collect(memory);
  const found = scopes.flatMap(({ metrics }) => metrics).find((metric) => metric.name === name);
  if (found === undefined) throw new Error(`nothing is measured as ${name}`);
  return found;
}

/** What is known of a metric: `{ "method=GET route=/": 3 }`; of a histogram the counts. */
export function valuesOf(metric: MetricData): Record<string, number | readonly number[]> {
  const values: Record<string, number | readonly number[]> = {};
  for (const point of metric.points) values[textOf(point.attributes)] = "counts" in point ? point.counts : point.value;
  return values;
}

export async function collectValues(
  provider: Collectable,
  name: string,
  memory?: DeltaMemory,
): Promise<Record<string, number | readonly number[]>> {
  return valuesOf(await collectOne(provider, name, memory));
}

export function textOf(attributes: FlatAttributes): string {
  const pairs: string[] = [];
  for (let index = 0; index < attributes.length; index += 2)
    pairs.push(`${attributes[index]}=${attributes[index + 1]}`);
  return pairs.join(" ");
}
