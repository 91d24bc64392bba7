import type { BatchQueueStats, SendingStats } from "@clew/trace";
import type { Attributes, Observable } from "@opentelemetry/api";
import type { Instruments, Note } from "./observe-all.ts";

/** The items that pass through a queue to an exporter. */
export interface PipelineItem {
  /** `otel.sdk` for items that OpenTelemetry's conventions name. */
  readonly prefix: string;
  /** `span` */
  readonly name: string;
  /** `{span}` */
  readonly unit: string;
}

/** Creates the instruments that all processors share, whether they export or decide. */
export function createProcessor(
  { counter, upDownCounter }: Instruments,
  { prefix, name, unit }: PipelineItem,
): { readonly size: Observable; readonly processed: Observable } {
  return {
    size: upDownCounter(`${prefix}.processor.${name}.queue.size`, unit, "Items that wait in the processor."),
    processed: counter(
      `${prefix}.processor.${name}.processed`,
      unit,
      "Items that left the processor; error.type says why an item was dropped.",
    ),
  };
}

/** Reports the state of a queue that gives batches to an exporter: how many items wait, and what happened to the others. */
export function createPipeline(
  instruments: Instruments,
  item: PipelineItem,
): (note: Note, stats: BatchQueueStats, processor: Attributes, exporter: Attributes) => void {
  const { prefix, name, unit } = item;
  const { size, processed } = createProcessor(instruments, item);
  const capacity = instruments.upDownCounter(
    `${prefix}.processor.${name}.queue.capacity`,
    unit,
    "Maximum number of items that may wait in the processor.",
  );
  const inflight = instruments.upDownCounter(
    `${prefix}.exporter.${name}.inflight`,
    unit,
    "Items given to the exporter whose result is not known yet.",
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
  /** The number of failed items whose export took too long. Default: unknown. */
  readonly timedOut?: number;
}

/** Reports what happened to the items given to an exporter. */
export function createExported(
  { counter }: Instruments,
  { prefix, name, unit }: PipelineItem,
): (note: Note, stats: ExportedStats, exporter: Attributes) => void {
  const exported = counter(
    `${prefix}.exporter.${name}.exported`,
    unit,
    "Items that the exporter has finished; error.type says why the destination did not get an item.",
  );
  return (note, stats, exporter) => {
    const { timedOut = 0 } = stats;
    note(exported, stats.exported, exporter);
    note(exported, stats.rejected, { ...exporter, "error.type": "rejected" });
    note(exported, stats.failed - timedOut, { ...exporter, "error.type": "failed" });
    if (stats.timedOut !== undefined) note(exported, timedOut, { ...exporter, "error.type": "timeout" });
  };
}

/** Reports the cost of sending. The conventions have no names for that. */
export function createSending({
  counter,
}: Instruments): (note: Note, stats: SendingStats | undefined, exporter: Attributes) => void {
  const requests = counter("clew.sdk.exporter.requests", "{request}", "Requests that were sent, retries among them.");
  const retries = counter("clew.sdk.exporter.retries", "{request}", "Requests that were sent again.");
  const sent = counter("clew.sdk.exporter.sent", "By", "Bytes of request bodies.");
  return (note, stats, exporter) => {
    if (stats === undefined) return;
    note(requests, stats.requests, exporter);
    note(retries, stats.retries, exporter);
    note(sent, stats.sentBytes, exporter);
  };
}
