import { MeterProvider, type MeterProviderOptions } from "@clew/metrics";
import { createResource } from "@clew/trace";

/** A provider that reads no variable of this machine. */
export function createProvider(options: MeterProviderOptions = {}): MeterProvider {
  return new MeterProvider({ resource: createResource({ service: "shop", env: {} }), env: {}, ...options });
}
