import { type MeterProvider as MeterProviderApi, metrics } from "@opentelemetry/api";
import { nameComponent } from "./component-name.ts";
import type { MeterProviderStats } from "./meter-provider.ts";
import { observeAll } from "./observe-all.ts";
import type { MetricsExporter, PeriodicReaderStats } from "./periodic-reader.ts";
import { createExported, createSending } from "./pipeline-metrics.ts";

export interface MeterMetricsOptions {
  /** The provider of the instruments. Default: the global provider. */
  meterProvider?: MeterProviderApi;
}

/** The source of statistics about metrics: the result of startMetrics provides all of them. */
export interface MeterSource {
  readonly provider: { stats(): MeterProviderStats };
  /** Statistics of the periodic export. Default: none, metrics are only scraped. */
  stats?(): PeriodicReaderStats | undefined;
  /** The exporter in use. Default: none, metrics are only scraped. */
  readonly exporter?: MetricsExporter | undefined;
}

/**
 * Reports as metrics what happened to metrics themselves: the number of series, measurements that were counted together because there
 * were too many series, callbacks that failed, exports, points that were exported or refused, and the cost of sending; see
 * traceMetrics. startMetrics calls it itself. Returns a function that ends it.
 */
export function meterMetrics(source: MeterSource, options: MeterMetricsOptions = {}): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/metrics");
  const { provider, exporter } = source;
  const reader = nameComponent("periodic_metric_reader");
  const component = nameComponent(exporter?.componentType ?? exporter?.constructor.name ?? "metric_exporter");
  const stop = observeAll(meter, (instruments) => {
    const { counter, upDownCounter } = instruments;
    const series = upDownCounter("clew.sdk.metric.series", "{series}", "Sets of attributes, over all instruments.");
    const overflowed = counter(
      "clew.sdk.metric.overflowed",
      "{measurement}",
      "Measurements that were counted together because an instrument had too many series.",
    );
    const failed = counter("clew.sdk.metric.callback.failed", "{call}", "Callbacks of observables that failed.");
    const exports = counter(
      "clew.sdk.metric_reader.exports",
      "{export}",
      "Exports of all metrics; error.type says that one was not taken.",
    );
    const item = { prefix: "otel.sdk", name: "metric_data_point", unit: "{data_point}" };
    const exported = createExported(instruments, item);
    const sending = createSending(instruments);
    return (note) => {
      const own = provider.stats();
      note(series, own.series);
      note(overflowed, own.overflowed);
      note(failed, own.failedCallbacks);
      const stats = source.stats?.();
      if (stats === undefined) return;
      note(exports, stats.exported, reader.attributes);
      note(exports, stats.failed, { ...reader.attributes, "error.type": "failed" });
      const points = exporter?.stats?.();
      if (points === undefined) return;
      exported(note, points, component.attributes);
      sending(note, points, component.attributes);
    };
  });
  return () => {
    stop();
    reader.release();
    component.release();
  };
}
