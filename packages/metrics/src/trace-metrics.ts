import type { BatchStats, ExporterStats, TailStats, TraceCounters } from "@clew/trace";
import type { SegmentStats } from "@clew/trace/skywalking";
import { type MeterProvider, metrics } from "@opentelemetry/api";
import { type Component, nameComponent } from "./component-name.ts";
import { type Instruments, type Note, observeAll } from "./observe-all.ts";
import { createPipeline, createProcessor, createSending, type PipelineItem } from "./pipeline-metrics.ts";

export interface TraceMetricsOptions {
  /** The provider of the instruments. Default: the global provider. */
  meterProvider?: MeterProvider;
}

/** The source of statistics about tracing: the result of startTracing provides all of them, a BatchProcessor its own. */
export interface TraceSource {
  stats(): BatchStats;
  /** The statistics of each exporter. Default: only {@link stats} is reported. */
  exporterStats?(): readonly ExporterStats[];
  /** The counters of requested spans. Default: the spans that the processor saw are counted. */
  readonly provider?: { stats(): Readonly<TraceCounters> };
  tailStats?(): TailStats | undefined;
  segmentStats?(): SegmentStats | undefined;
}

/**
 * Reports as metrics what happened to spans, so that no loss goes unnoticed: not sampled, started, live, waiting, exported, refused,
 * dropped and why, cut by limits, decided by the tail, and the cost of sending. The names are OpenTelemetry's (`otel.sdk.*`), or
 * similar ones where it has none (`clew.sdk.*`). It only reads counters that exist anyway. `source` is the result of startTracing,
 * which calls this itself, or a BatchProcessor. Returns a function that ends it.
 */
export function traceMetrics(source: TraceSource, options: TraceMetricsOptions = {}): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/trace");
  const components: Component[] = [];
  const name = (type: string): Component["attributes"] => {
    const component = nameComponent(type);
    components.push(component);
    return component.attributes;
  };
  const stop = observeAll(meter, (instruments) => {
    const parts = [
      observeSpans(instruments, source),
      observeLimits(instruments, source),
      observeExporters(instruments, source, name),
      observeTail(instruments, source, name),
      observeSegments(instruments, source, name),
    ];
    return (note) => {
      for (const part of parts) part?.(note);
    };
  });
  return () => {
    stop();
    for (const component of components) component.release();
  };
}

type Observe = (note: Note) => void;
type NameComponent = (type: string) => Component["attributes"];

const unit = "{span}";
const spanItem: PipelineItem = { prefix: "otel.sdk", name: "span", unit };

function observeSpans({ counter, upDownCounter }: Instruments, source: TraceSource): Observe {
  const started = counter("otel.sdk.span.started", unit, "Spans that were requested, by the decision of the sampler.");
  const live = upDownCounter("otel.sdk.span.live", unit, "Recorded spans that have not ended.");
  const result = (text: string) => ({ "otel.span.sampling_result": text });
  return (note) => {
    const counters = source.provider?.stats();
    if (counters === undefined) {
      const { started: seen, exported, rejected, failed, dropped, waiting } = source.stats();
      note(started, seen, result("RECORD_AND_SAMPLE"));
      note(live, seen - exported - rejected - failed - dropped - waiting, result("RECORD_AND_SAMPLE"));
      return;
    }
    const { recorded, recordedOnly, ended, endedOnly, unsampled } = counters;
    note(started, recorded - recordedOnly, result("RECORD_AND_SAMPLE"));
    note(started, recordedOnly, result("RECORD_ONLY"));
    note(started, unsampled, result("DROP"));
    note(live, recorded - recordedOnly - (ended - endedOnly), result("RECORD_AND_SAMPLE"));
    note(live, recordedOnly - endedOnly, result("RECORD_ONLY"));
  };
}

function observeLimits({ counter }: Instruments, { provider }: TraceSource): Observe | undefined {
  if (provider === undefined) return undefined;
  const spans = counter(
    "clew.sdk.span.dropped",
    unit,
    "Spans that were not created, because their request had too many.",
  );
  const attributes = counter("clew.sdk.span.attribute.dropped", "{attribute}", "Attributes beyond the limits.");
  const events = counter("clew.sdk.span.event.dropped", "{event}", "Events beyond the limit.");
  const links = counter("clew.sdk.span.link.dropped", "{link}", "Links beyond the limit.");
  const late = counter("clew.sdk.span.late", unit, "Spans that started after their request had ended.");
  return (note) => {
    const counters = provider.stats();
    note(spans, counters.droppedSpans);
    note(attributes, counters.droppedAttributes);
    note(events, counters.droppedEvents);
    note(links, counters.droppedLinks);
    note(late, counters.lateSpans);
  };
}

function observeExporters(instruments: Instruments, source: TraceSource, name: NameComponent): Observe {
  const pipeline = createPipeline(instruments, spanItem);
  const sending = createSending(instruments);
  const exporters: readonly Pick<ExporterStats, "type">[] = source.exporterStats?.() ?? [{ type: "span_exporter" }];
  const names = exporters.map(({ type }) => [name("batching_span_processor"), name(type)] as const);
  return (note) => {
    const all = source.exporterStats?.() ?? [{ batch: source.stats(), sending: undefined }];
    all.forEach((one, index) => {
      const [processor, exporter] = names[index]!;
      pipeline(note, one.batch, processor, exporter);
      sending(note, one.sending, exporter);
    });
  };
}

function observeTail(instruments: Instruments, source: TraceSource, name: NameComponent): Observe | undefined {
  if (source.tailStats?.() === undefined) return undefined;
  const component = name("tail_span_processor");
  const { counter, upDownCounter } = instruments;
  const { size, processed } = createProcessor(instruments, spanItem);
  const decided = counter(
    "clew.sdk.tail.span.decided",
    unit,
    "Spans that the sampler did not select, by the decision of the tail.",
  );
  const kept = counter("clew.sdk.tail.trace.kept", "{trace}", "Requests that the tail kept, by the reason.");
  const pending = upDownCounter("clew.sdk.tail.trace.pending", "{trace}", "Requests that wait for a decision.");
  const bytes = upDownCounter("clew.sdk.tail.queue", "By", "Approximate memory of the spans that wait for a decision.");
  return (note) => {
    const stats = source.tailStats?.();
    if (stats === undefined) return;
    note(processed, stats.kept + stats.forgotten, component);
    note(processed, stats.dropped - stats.evicted, { ...component, "error.type": "queue_full" });
    note(processed, stats.evicted, { ...component, "error.type": "evicted" });
    note(size, stats.held, component);
    note(bytes, stats.heldBytes, component);
    note(pending, stats.pendingTraces, component);
    note(decided, stats.kept, { ...component, "clew.tail.decision": "kept" });
    note(decided, stats.forgotten, { ...component, "clew.tail.decision": "forgotten" });
    for (const [reason, count] of Object.entries(stats.keptTraces)) {
      note(kept, count, { ...component, "clew.kept": reason });
    }
  };
}

function observeSegments(instruments: Instruments, source: TraceSource, name: NameComponent): Observe | undefined {
  if (source.segmentStats?.() === undefined) return undefined;
  const processor = name("skywalking_segment_processor");
  const exporter = name("skywalking_segment_exporter");
  const item = { prefix: "clew.sdk", name: "segment", unit: "{segment}" };
  const pipeline = createPipeline(instruments, item);
  const finished = instruments.counter("clew.sdk.segment.finished", item.unit, "Segments that ended.");
  const continued = instruments.counter(
    "clew.sdk.segment.continued",
    item.unit,
    "Segments that continue another because a span came too late for it.",
  );
  const hidden = instruments.counter("clew.sdk.segment.span.dropped", unit, "Spans beyond the limit of their segment.");
  return (note) => {
    const stats = source.segmentStats?.();
    if (stats === undefined) return;
    pipeline(note, stats, processor, exporter);
    note(finished, stats.finished, processor);
    note(continued, stats.continued, processor);
    note(hidden, stats.hiddenSpans, processor);
  };
}
