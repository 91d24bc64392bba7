import {
  anObject,
  checkOptions,
  checkValue,
  having,
  millisecondsFrom,
  numberFrom,
  type OptionChecks,
  wholeNumberFrom,
} from "@clew/options";
import { type Span, SpanStatusCode } from "@opentelemetry/api";
import { type BatchDestination, BatchQueue, type BatchQueueStats, type BatchResult } from "./batch-queue.ts";
import { EncodedSpans } from "./encoded-spans.ts";
import { type Environment, readCount } from "./environment.ts";
import { optionError } from "./errors.ts";
import { RingBuffer } from "./ring-buffer.ts";
import type { SpanData } from "./span-data.ts";
import type { EncodedBatch, EncodingExporter, ExportResult, SendingStats, SpanExporter } from "./span-exporter.ts";
import type { SpanProcessor } from "./span-processor.ts";

export interface BatchOptions {
  /** The maximum number of waiting spans, of about 1 KB each. Default: OTEL_BSP_MAX_QUEUE_SIZE, or 8_192. */
  capacity?: number;
  /** Spans in one export; when so many wait, they are exported. Default: OTEL_BSP_MAX_EXPORT_BATCH_SIZE, or 2_048. */
  batchSize?: number;
  /**
   * The maximum bytes in one export, for exporters that encode spans when they end (OTLP's protobuf); a single span may be larger. A
   * gRPC server accepts 4 MiB by default. Default: 1_048_576.
   */
  batchBytes?: number;
  /**
   * How long a span waits for a batch to fill, and the delay before an unavailable destination is tried again, in
   * milliseconds. Default: OTEL_BSP_SCHEDULE_DELAY, or 1_000.
   */
  delayMs?: number;
  /** How long one export may take before it counts as failed, in milliseconds. Default: OTEL_BSP_EXPORT_TIMEOUT, or 60_000. */
  exportTimeoutMs?: number;
  /**
   * How long {@link BatchProcessor.shutdown} may take, in milliseconds; the remaining spans are then dropped. Default: 2_000,
   * because a stop must end soon.
   */
  shutdownTimeoutMs?: number;
  /** Spans of at least this many milliseconds take precedence when space runs out, like spans with an error. Default: 1_000. */
  slowMs?: number;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Environment;
}

type BatchSettings = Readonly<Required<Omit<BatchOptions, "env">>>;

// Spans are 1 KB each: a larger capacity is a typing error.
const mostSpans = 2 ** 24;

export const batchChecks: OptionChecks<BatchOptions> = {
  capacity: wholeNumberFrom(1, mostSpans),
  batchSize: wholeNumberFrom(1),
  batchBytes: wholeNumberFrom(1),
  // Without a delay an unavailable destination would be retried in a tight loop.
  delayMs: millisecondsFrom(1),
  exportTimeoutMs: millisecondsFrom(1),
  shutdownTimeoutMs: millisecondsFrom(0),
  slowMs: numberFrom(0),
  env: anObject,
};
const anExporter = having("an exporter", "export", "shutdown");

/** @throws CLEW_TRACE_OPTION */
export function resolveBatchOptions(options: BatchOptions = {}): BatchSettings {
  checkOptions("BatchProcessor", options, batchChecks, optionError);
  const env = options.env ?? process.env;
  const capacity = options.capacity ?? readCount(env, "OTEL_BSP_MAX_QUEUE_SIZE", 1, 8192) ?? 8192;
  return {
    capacity,
    batchSize: Math.min(
      capacity,
      options.batchSize ?? readCount(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, 2048) ?? 2048,
    ),
    batchBytes: options.batchBytes ?? 1_048_576,
    delayMs: options.delayMs ?? readCount(env, "OTEL_BSP_SCHEDULE_DELAY", 1, 1000) ?? 1000,
    exportTimeoutMs: options.exportTimeoutMs ?? readCount(env, "OTEL_BSP_EXPORT_TIMEOUT", 1, 60000) ?? 60_000,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 2000,
    slowMs: options.slowMs ?? 1000,
  };
}

/** Counts of the spans so far, by outcome. started = exported + rejected + dropped + failed + waiting + spans still alive. */
export interface BatchStats extends BatchQueueStats {
  /** Sampled spans that were started. */
  readonly started: number;
  /** Spans that the destination accepted. */
  readonly exported: number;
  /** Spans that the destination refused one by one. */
  readonly rejected: number;
  /** Spans that found no space, arrived after the shutdown, or remained at its end. */
  readonly dropped: number;
  /** Spans of batches that could not be exported and were abandoned. */
  readonly failed: number;
  /** Waiting spans, including those being exported. */
  readonly waiting: number;
}

/** A processor's exporter, and its counts. */
export interface ExporterStats {
  /** The kind of exporter, see {@link SpanExporter.componentType}. */
  readonly type: string;
  readonly batch: BatchStats;
  /** The requests and bytes it sent; undefined if the exporter does not count them. */
  readonly sending: SendingStats | undefined;
}

/**
 * Passes ended spans to an exporter in batches; see {@link BatchQueue}. When space runs out, the
 * last part of it is reserved for spans with an error and slow ones.
 */
export class BatchProcessor implements SpanProcessor {
  readonly onlyEncodes: boolean;
  readonly #queue: SpanQueue;
  readonly #capacity: number;
  // The last eighth is reserved for errors and slow spans, which are the most useful ones.
  readonly #ordinaryCapacity: number;
  readonly #slowUs: number;
  readonly #exporter: SpanExporter;
  #started = 0;

  /** @throws CLEW_TRACE_OPTION */
  constructor(exporter: SpanExporter, options?: BatchOptions) {
    checkValue("exporter", exporter, anExporter, optionError);
    const settings = resolveBatchOptions(options);
    this.#queue = createQueue(exporter, settings);
    this.onlyEncodes = (exporter as Partial<EncodingExporter>).createBatch !== undefined;
    this.#capacity = settings.capacity;
    this.#ordinaryCapacity = Math.ceil((settings.capacity * 7) / 8);
    this.#slowUs = settings.slowMs * 1000;
    this.#exporter = exporter;
  }

  onStart(_span: Span): void {
    this.#started++;
  }

  onEnd(span: SpanData): void {
    const isWanted = span.statusCode === SpanStatusCode.ERROR || span.endUs - span.startUs >= this.#slowUs;
    if (!this.#queue.admits(isWanted ? this.#capacity : this.#ordinaryCapacity)) return;
    this.#queue.push(span);
  }

  stats(): BatchStats {
    return { started: this.#started, ...this.#queue.stats() };
  }

  exporterStats(): readonly ExporterStats[] {
    const exporter = this.#exporter;
    const type = exporter.componentType ?? exporter.constructor.name;
    return [{ type, batch: this.stats(), sending: exporter.sendingStats?.() }];
  }

  /** Resolves when all waiting spans are exported or given up, or the destination is found unavailable. Never rejects. */
  forceFlush(): Promise<void> {
    return this.#queue.forceFlush();
  }

  /** Exports waiting spans for at most `shutdownTimeoutMs`, drops the rest, and shuts the exporter down. Never rejects. */
  shutdown(): Promise<void> {
    return this.#queue.shutdown();
  }
}

type SpanQueue = BatchQueue<SpanData> | BatchQueue<SpanData, EncodedBatch>;

function createQueue(exporter: SpanExporter, settings: BatchSettings): SpanQueue {
  const shutdown = () => exporter.shutdown();
  const { createBatch } = exporter as Partial<EncodingExporter>;
  if (createBatch === undefined) {
    const export_ = async (spans: readonly SpanData[]) => toBatchResult(await exporter.export(spans));
    return new BatchQueue(new RingBuffer<SpanData>(settings.capacity), { export: export_, shutdown }, settings);
  }
  const waiting = new EncodedSpans(createBatch, settings.batchSize, settings.batchBytes);
  const encoding = exporter as EncodingExporter;
  const destination: BatchDestination<EncodedBatch> = {
    async export(batch) {
      const result = await encoding.export(batch);
      if (result.outcome !== "unavailable") batch.release();
      return toBatchResult(result);
    },
    shutdown,
  };
  return new BatchQueue(waiting, destination, settings);
}

function toBatchResult({ outcome, rejectedSpans = 0, retryAfterMs = 0 }: ExportResult): BatchResult {
  return { outcome, rejected: rejectedSpans, retryAfterMs };
}
