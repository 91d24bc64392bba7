import type { BatchQueueStats, SendingStats } from "@clew/trace";
import { type MeterProvider, metrics } from "@opentelemetry/api";
import { nameComponent } from "./component-name.ts";
import { observeAll } from "./observe-all.ts";
import { createPipeline, createSending } from "./pipeline-metrics.ts";

export interface LogMetricsOptions {
  /** The provider of the instruments. Default: the global provider. */
  meterProvider?: MeterProvider;
}

/** The source of statistics about log lines that are sent to a collector: the result of startLogs, or an OtlpLogs. */
export interface LogSource {
  /** Undefined if no lines are sent. */
  stats(): (BatchQueueStats & { readonly delivery?: SendingStats }) | undefined;
  /** The kind of the exporter, in OpenTelemetry's values of `otel.component.type`. Default: `log_exporter`. */
  readonly componentType?: string;
}

/**
 * Reports as metrics what happened to log lines: created, waiting, exported, refused, dropped and why, and the cost of sending; see
 * traceMetrics. startLogs calls it itself. Returns a function that ends it.
 */
export function logMetrics(source: LogSource, options: LogMetricsOptions = {}): () => void {
  if (source.stats() === undefined) return () => {};
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/log");
  const processor = nameComponent("batching_log_processor");
  const exporter = nameComponent(source.componentType ?? "log_exporter");
  const stop = observeAll(meter, (instruments) => {
    const unit = "{log_record}";
    const created = instruments.counter("otel.sdk.log.created", unit, "Log lines that were handed over for export.");
    const pipeline = createPipeline(instruments, { prefix: "otel.sdk", name: "log", unit });
    const sending = createSending(instruments);
    return (note) => {
      const stats = source.stats();
      if (stats === undefined) return;
      note(created, stats.exported + stats.rejected + stats.failed + stats.dropped + stats.waiting);
      pipeline(note, stats, processor.attributes, exporter.attributes);
      sending(note, stats.delivery, exporter.attributes);
    };
  });
  return () => {
    stop();
    processor.release();
    exporter.release();
  };
}
