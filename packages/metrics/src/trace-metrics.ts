import type { BatchStats } from "@clew/trace";
import { type Meter, type MeterProvider, metrics } from "@opentelemetry/api";

export interface TraceMetricsOptions {
  /** Where the instruments come from. Default: the global provider. */
  meterProvider?: MeterProvider;
  /** Tells one processor from another: `otel.component.name`. Default: `batching_span_processor/0`. */
  name?: string;
}

/**
 * Tells what became of spans, so that nothing is lost in silence: started, live, waiting, exported, dropped and failed, under
 * OpenTelemetry's names (`otel.sdk.*`). `source` is a BatchProcessor, or what startTracing returns. Returns a function that ends it.
 */
export function traceMetrics(source: { stats(): BatchStats }, options: TraceMetricsOptions = {}): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/trace");
  const unit = "{span}";
  const started = meter.createObservableCounter("otel.sdk.span.started", {
    description: "Sampled spans that were started.",
    unit,
  });
  const live = meter.createObservableUpDownCounter("otel.sdk.span.live", {
    description: "Sampled spans that have not ended.",
    unit,
  });
  const waiting = meter.createObservableUpDownCounter("otel.sdk.processor.span.queue.size", {
    description: "Spans that wait to be exported.",
    unit,
  });
  const processed = meter.createObservableCounter("otel.sdk.processor.span.processed", {
    description: "Spans that the processor is done with; error.type says why one went no further.",
    unit,
  });
  const exported = meter.createObservableCounter("otel.sdk.exporter.span.exported", {
    description: "Spans that the exporter is done with; error.type says why the destination does not have one.",
    unit,
  });
  const component = {
    "otel.component.type": "batching_span_processor",
    "otel.component.name": options.name ?? "batching_span_processor/0",
  };
  const observed = [started, live, waiting, processed, exported];
  const observe: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    const stats = source.stats();
    const handedOn = stats.exported + stats.rejected + stats.failed;
    result.observe(started, stats.started, { "otel.span.sampling_result": "RECORD_AND_SAMPLE" });
    result.observe(live, stats.started - handedOn - stats.dropped - stats.waiting, {
      "otel.span.sampling_result": "RECORD_AND_SAMPLE",
    });
    result.observe(waiting, stats.waiting, component);
    result.observe(processed, handedOn, component);
    result.observe(processed, stats.dropped, { ...component, "error.type": "queue_full" });
    result.observe(exported, stats.exported, component);
    result.observe(exported, stats.rejected, { ...component, "error.type": "rejected" });
    result.observe(exported, stats.failed, { ...component, "error.type": "failed" });
  };
  meter.addBatchObservableCallback(observe, observed);
  return () => meter.removeBatchObservableCallback(observe, observed);
}
