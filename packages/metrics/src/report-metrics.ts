import { type MeterProvider, metrics } from "@opentelemetry/api";
import { nameComponent } from "./component-name.ts";
import { observeAll } from "./observe-all.ts";

export interface ReportMetricsOptions {
  /** The provider of the instruments. Default: the global provider. */
  meterProvider?: MeterProvider;
}

/** What happened to the reports of one kind so far. */
export interface ReportStats {
  /** The kind, by the service and the method of SkyWalking's protocol: `ManagementService/keepAlive`. */
  readonly method: string;
  readonly taken: number;
  readonly refused: number;
  /** Reports for which no backend was available. Segments and log lines are sent again. */
  readonly unavailable: number;
}

/** The source of statistics about reports to SkyWalking's collector: a SkyWalkingExporter. */
export interface ReportSource {
  stats(): { readonly reports: readonly ReportStats[] };
}

/**
 * Reports as metrics what happened to everything sent to SkyWalking's collector or requested from it, including heartbeats,
 * properties, meters, snapshots and queries, for which there is no queue. A SkyWalkingExporter calls it itself. Returns a
 * function that ends it.
 */
export function reportMetrics(source: ReportSource, options: ReportMetricsOptions = {}): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/trace");
  const { attributes, release } = nameComponent("skywalking_exporter");
  const stop = observeAll(meter, ({ counter }) => {
    const reports = counter(
      "clew.sdk.skywalking.reports",
      "{report}",
      "Reports and queries to SkyWalking's collector; error.type says why one was not accepted.",
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
