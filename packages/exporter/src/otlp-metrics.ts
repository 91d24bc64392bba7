import { encodeMetrics, encodeMetricsAsJson, type MetricsData, type MetricsExporter } from "@clew/metrics";
import type { Delivery, DeliveryStats } from "./delivery.ts";
import { createOtlpDelivery, toOtlpBody } from "./otlp-delivery.ts";
import { componentTypeOf, type OtlpOptions, type OtlpSettings, resolveOtlpOptions } from "./otlp-options.ts";

/**
 * Sends metrics to any OTLP receiver, in the same way as OtlpExporter sends spans. It counts points. Pass it to a
 * PeriodicReader, or use startMetrics.
 */
export class OtlpMetricsExporter implements MetricsExporter {
  readonly #settings: OtlpSettings;
  readonly #delivery: Delivery;

  /** @throws as {@link resolveOtlpOptions} does */
  constructor(options?: OtlpOptions) {
    this.#settings = resolveOtlpOptions("metrics", options);
    this.#delivery = createOtlpDelivery(this.#settings);
  }

  get componentType(): string {
    return componentTypeOf(this.#settings);
  }

  /** The URL that metrics are sent to; with gRPC only host and port are used. */
  get url(): URL {
    return this.#settings.url;
  }

  stats(): DeliveryStats {
    return this.#delivery.stats();
  }

  async export(data: MetricsData): Promise<boolean> {
    const encode = this.#settings.protocol === "http/json" ? encodeMetricsAsJson : encodeMetrics;
    const { outcome } = await this.#delivery.deliver(countPoints(data), () => toOtlpBody(encode(data), this.#settings));
    return outcome === "exported";
  }

  /** Aborts pending requests and closes the connections. */
  shutdown(): Promise<void> {
    return this.#delivery.shutdown();
  }
}

function countPoints({ scopes }: MetricsData): number {
  let count = 0;
  for (const { metrics } of scopes) for (const { points } of metrics) count += points.length;
  return count;
}
