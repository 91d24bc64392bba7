import { startTracing, type Tracing } from "clew/trace";
import type { ShopConfig } from "./config.ts";

/** Makes every call a span and puts its ids in every log line. Where no endpoint is configured, spans go nowhere. */
export function startShopTracing(service: string, { snapshot }: ShopConfig): Tracing {
  const { endpoint } = snapshot.traces;
  return startTracing({ service, ...(endpoint === "" ? { exporter: [] } : { endpoint }) });
}
