import type { BatchQueueStats, SendingStats } from "@clew/trace";
import type { Attributes, Observable } from "@opentelemetry/api";
import type { Instruments, Note } from "./observe-all.ts";

/** What passes through a queue to an exporter. */
export interface PipelineItem {
  /** `otel.sdk` for what OpenTelemetry's conventions name. */
  readonly prefix: string;
  /** `span` */
  readonly name: string;
  /** `{span}` */
  readonly unit: string;
}

/** What a processor has in common with others, whether it exports or decides. */
export function createProcessor(
  { counter, upDownCounter }: Instruments,
  { prefix, name, unit }: PipelineItem,
): { readonly size: Observable; readonly processed: Observable } {
  return {
    size: upDownCounter(`${prefix}.processor.${name}.queue.size`, unit, "What waits in the processor."),
    processed: counter(
      `${prefix}.processor.${name}.processed`,
      unit,
      "What the processor is done with; error.type says why something went no further.",
    ),
  };
}

/** Tells of a queue that hands batches to an exporter: how many wait, and what became of the others. */
export function createPipeline(
  instruments: Instruments,
  item: PipelineItem,
): (note: Note, stats: BatchQueueStats, processor: Attributes, exporter: Attributes) => void {
  const { prefix, name, unit } = item;
  const { size, processed } = createProcessor(instruments, item);
  const capacity = instruments.upDownCounter(
    `${prefix}.processor.${name}.queue.capacity`,
    unit,
    "How much may wait in the processor.",
  );
  const inflight = instruments.upDownCounter(
    `${prefix}.exporter.${name}.inflight`,
    unit,
    "What the exporter was handed and has not decided about.",
  );
  const exported = createExported(instruments, item);
  return (note, stats, processor, exporter) => {
    note(size, stats.waiting, processor);
    note(capacity, stats.capacity, processor);
    note(processed, stats.exported + stats.rejected + stats.failed, processor);
    note(processed, stats.dropped - stats.late, { ...processor, "error.type": "queue_full" });
    note(processed, stats.late, { ...processor, "error.type": "already_shutdown" });
    note(inflight, stats.exporting, exporter);
    exported(note, stats, exporter);
  };
}

export interface ExportedStats {
  readonly exported: number;
  readonly rejected: number;
  readonly failed: number;
  /** Of the failed, those whose export took too long. Default: it is not known. */
  readonly timedOut?: number;
}

/** Tells what became of what an exporter was handed. */
export function createExported(
  { counter }: Instruments,
  { prefix, name, unit }: PipelineItem,
): (note: Note, stats: ExportedStats, exporter: Attributes) => void {
  const exported = counter(
    `${prefix}.exporter.${name}.exported`,
    unit,
    "What the exporter is done with; error.type says why the destination does not have something.",
  );
  return (note, stats, exporter) => {
    const { timedOut = 0 } = stats;
    note(exported, stats.exported, exporter);
    note(exported, stats.rejected, { ...exporter, "error.type": "rejected" });
    note(exported, stats.failed - timedOut, { ...exporter, "error.type": "failed" });
    if (stats.timedOut !== undefined) note(exported, timedOut, { ...exporter, "error.type": "timeout" });
  };
}

/** Tells what it took to send. The conventions have no names for that. */
export function createSending({
  counter,
}: Instruments): (note: Note, stats: SendingStats | undefined, exporter: Attributes) => void {
  const requests = counter("clew.sdk.exporter.requests", "{request}", "Requests that were sent, retries among them.");
  const retries = counter("clew.sdk.exporter.retries", "{request}", "Requests that were sent once more.");
  const sent = counter("clew.sdk.exporter.sent", "By", "Bytes of request bodies.");
  return (note, stats, exporter) => {
    if (stats === undefined) return;
    note(requests, stats.requests, exporter);
    note(retries, stats.retries, exporter);
    note(sent, stats.sentBytes, exporter);
  };
}
