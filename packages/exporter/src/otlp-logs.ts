import { current } from "@clew/context";
import type { LineWriter } from "@clew/log";
import { millisecondsFrom, type OptionChecks, wholeNumberFrom } from "@clew/options";
import {
  aResource,
  BatchQueue,
  type BatchQueueStats,
  createResource,
  isTracingSuppressed,
  type Resource,
  RingBuffer,
  readCount,
} from "@clew/trace";
import type { Delivery, DeliveryStats } from "./delivery.ts";
import { createOtlpDelivery, toOtlpBody } from "./otlp-delivery.ts";
import { encodeLogs, encodeLogsAsJson, type LogRecord } from "./otlp-logs-encode.ts";
import {
  componentTypeOf,
  type OtlpOptions,
  type OtlpSettings,
  otlpOptionChecks,
  resolveOtlpOptions,
} from "./otlp-options.ts";

export interface OtlpLogsOptions extends OtlpOptions {
  /** The resource that writes the lines: this process. Default: the result of {@link createResource}, which reads the environment. */
  resource?: Resource;
  /** The maximum number of waiting lines. Default: OTEL_BLRP_MAX_QUEUE_SIZE, or 8_192. */
  capacity?: number;
  /** Lines in one export; when so many wait, they are exported. Default: OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, or 512. */
  batchSize?: number;
  /** How long a line waits for a batch to fill, in milliseconds. Default: OTEL_BLRP_SCHEDULE_DELAY, or 1_000. */
  delayMs?: number;
  /** How long one export may take before it counts as failed, in milliseconds. Default: OTEL_BLRP_EXPORT_TIMEOUT, or 60_000. */
  exportTimeoutMs?: number;
  /**
   * How long {@link OtlpLogs.shutdown} may take, in milliseconds; the remaining lines are then dropped. Default: 2_000, because
   * a stop must end soon.
   */
  shutdownTimeoutMs?: number;
}

export const otlpLogsChecks: OptionChecks<OtlpLogsOptions> = {
  ...otlpOptionChecks,
  resource: aResource,
  capacity: wholeNumberFrom(1, 2 ** 24),
  batchSize: wholeNumberFrom(1),
  delayMs: millisecondsFrom(1),
  exportTimeoutMs: millisecondsFrom(1),
  shutdownTimeoutMs: millisecondsFrom(0),
};

/** Counts of the lines so far, by outcome, and of the requests and bytes that were sent. */
export interface OtlpLogsStats extends BatchQueueStats {
  readonly delivery: DeliveryStats;
}

/**
 * Sends log lines, with the ids of their spans, to any OTLP receiver, in the same way as OtlpExporter sends spans. Lines wait in a
 * ring of fixed size; when it is full, new lines are dropped and counted.
 *
 *     const logs = new OtlpLogs();
 *     const logger = createLogger({ also: [logs.write] });      and at the end: await logs.shutdown()
 */
export class OtlpLogs {
  readonly #settings: OtlpSettings;
  readonly #resource: Resource;
  readonly #delivery: Delivery;
  readonly #queue: BatchQueue<LogRecord>;

  /** @throws as {@link resolveOtlpOptions} does */
  constructor(options: OtlpLogsOptions = {}) {
    const env = options.env ?? process.env;
    this.#settings = resolveOtlpOptions("logs", options, otlpLogsChecks);
    this.#resource = options.resource ?? createResource({ env });
    this.#delivery = createOtlpDelivery(this.#settings);
    const capacity = options.capacity ?? readCount(env, "OTEL_BLRP_MAX_QUEUE_SIZE", 1, 8192) ?? 8192;
    const destination = {
      export: (records: readonly LogRecord[]) => this.#export(records),
      shutdown: () => this.#delivery.shutdown(),
    };
    this.#queue = new BatchQueue(new RingBuffer<LogRecord>(capacity), destination, {
      capacity,
      batchSize: Math.min(
        capacity,
        options.batchSize ?? readCount(env, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 1, 512) ?? 512,
      ),
      delayMs: options.delayMs ?? readCount(env, "OTEL_BLRP_SCHEDULE_DELAY", 1, 1000) ?? 1000,
      exportTimeoutMs: options.exportTimeoutMs ?? readCount(env, "OTEL_BLRP_EXPORT_TIMEOUT", 1, 60_000) ?? 60_000,
      shutdownTimeoutMs: options.shutdownTimeoutMs ?? 2000,
    });
  }

  get componentType(): string {
    return componentTypeOf(this.#settings);
  }

  /** The URL that lines are sent to; with gRPC only host and port are used. */
  get url(): URL {
    return this.#settings.url;
  }

  /** Accepts one line; pass it to a logger's `also`. Lines that an export itself logs are ignored, or there would be an endless loop. */
  readonly write: LineWriter = (level, message, fields, span) => {
    if (isTracingSuppressed(current())) return;
    const { trace_id, span_id, ...others } = fields;
    this.#queue.push({
      timeUs: Date.now() * 1000,
      level,
      message,
      // Without a span these fields are the app's own.
      fields: span === undefined ? fields : others,
      traceId: span?.traceId ?? "",
      spanId: span?.spanId ?? "",
      traceFlags: span?.traceFlags ?? 0,
    });
  };

  stats(): OtlpLogsStats {
    return { ...this.#queue.stats(), delivery: this.#delivery.stats() };
  }

  /** Resolves when all waiting lines are exported or given up, or the destination is found unavailable. Never rejects. */
  forceFlush(): Promise<void> {
    return this.#queue.forceFlush();
  }

  /** Exports waiting lines for at most `shutdownTimeoutMs`, drops the rest and closes the connections. Never rejects. */
  shutdown(): Promise<void> {
    return this.#queue.shutdown();
  }

  #export(records: readonly LogRecord[]) {
    const encode = this.#settings.protocol === "http/json" ? encodeLogsAsJson : encodeLogs;
    return this.#delivery.deliver(records.length, () => toOtlpBody(encode(this.#resource, records), this.#settings));
  }
}
