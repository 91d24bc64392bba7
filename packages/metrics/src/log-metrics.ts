import type { BatchQueueStats, SendingStats } from "@clew/trace";
import { type MeterProvider, metrics } from "@opentelemetry/api";
import { nameComponent } from "./component-name.ts";
import { observeAll } from "./observe-all.ts";
import { createPipeline, createSending } from "./pipeline-metrics.ts";

export interface LogMetricsOptions {
  /** Where the instruments come from. Default: the global provider. */
  meterProvider?: MeterProvider;
}

/** What can be told of log lines on their way to a collector: what startLogs returns, or an OtlpLogs. */
export interface LogSource {
  /** Undefined where none are sent. */
  stats(): (BatchQueueStats & { readonly delivery?: SendingStats }) | undefined;
  /** What kind of exporter it is, in OpenTelemetry's words for `otel.component.type`. Default: `log_exporter`. */
  readonly componentType?: string;
}

/**
 * Tells what became of log lines: created, waiting, exported, refused, dropped and why, and what it took to send; see traceMetrics.
 * startLogs does this on its own. Returns a function that ends it.
 */
export function logMetrics(source: LogSource, options: LogMetricsOptions = {}): () => void {
  if (source.stats() === undefined) return () => {};
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/log");
  const processor = nameComponent("batching_log_processor");
  const exporter = nameComponent(source.componentType ?? "log_exporter");
  const stop = observeAll(meter, (instruments) => {
    const unit = "{log_record}";
    const created = instruments.counter("otel.sdk.log.created", unit, "Lines that were handed over.");
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
