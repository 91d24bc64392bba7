import { type MeterProvider, metrics } from "@opentelemetry/api";
import { nameComponent } from "./component-name.ts";
import { observeAll } from "./observe-all.ts";

export interface ReportMetricsOptions {
  /** Where the instruments come from. Default: the global provider. */
  meterProvider?: MeterProvider;
}

/** What became of the reports of one kind so far. */
export interface ReportStats {
  /** What they are, by the service and the method of SkyWalking's protocol: `ManagementService/keepAlive`. */
  readonly method: string;
  readonly taken: number;
  readonly refused: number;
  /** Those for which no backend was there. Of segments and lines the same go again. */
  readonly unavailable: number;
}

/** What can be told of reports to SkyWalking's collector: a SkyWalkingExporter. */
export interface ReportSource {
  stats(): { readonly reports: readonly ReportStats[] };
}

/**
 * Tells what became of all that was told to SkyWalking's collector, or asked of it: heartbeats, properties, meters, snapshots and
 * questions among it, for which there is no queue. A SkyWalkingExporter does this on its own. Returns a function that ends it.
 */
export function reportMetrics(source: ReportSource, options: ReportMetricsOptions = {}): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/trace");
  const { attributes, release } = nameComponent("skywalking_exporter");
  const stop = observeAll(meter, ({ counter }) => {
    const reports = counter(
      "clew.sdk.skywalking.reports",
      "{report}",
      "What SkyWalking's collector was told or asked; error.type says why it did not take something.",
    );
    return (note) => {
      for (const { method, taken, refused, unavailable } of source.stats().reports) {
        const kind = { ...attributes, "rpc.method": method };
        note(reports, taken, kind);
        note(reports, refused, { ...kind, "error.type": "refused" });
        note(reports, unavailable, { ...kind, "error.type": "unavailable" });
      }
    };
  });
  return () => {
    stop();
    release();
  };
}
