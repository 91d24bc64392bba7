import { current } from "@clew/context";
import type { LineWriter } from "@clew/log";
import { BatchQueue, type BatchQueueStats, isTracingSuppressed } from "@clew/trace";
import { activePlace, encodeLog, type LogData, pairsToJson } from "@clew/trace/skywalking";
import type { SkyWalkingExporter } from "./skywalking.ts";
import { toBatchResult } from "./skywalking-upstream.ts";

export interface SkyWalkingLogsOptions {
  /** Fields of a line that become tags of it. Default: SW_AGENT_LOG_REPORTER_LABEL_KEYS (with commas between), or none. */
  labelKeys?: readonly string[];
  /** Lines kept while they wait. Default: 5_000. */
  capacity?: number;
  /** Lines sent at once. Default: 500. */
  batchSize?: number;
  /** How long a line waits for others to go with, in milliseconds. Default: 1_000. */
  delayMs?: number;
  /** Where the variable is read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Sends log lines to SkyWalking's collector, each with its trace, segment and span, over the connection of an exporter. Lines wait in
 * a ring of fixed size; when there is no more space, new ones are dropped and counted.
 *
 *     const logs = new SkyWalkingLogs(exporter);
 *     const logger = createLogger({ also: [logs.write] });      and at the end: await logs.shutdown()
 */
export class SkyWalkingLogs {
  readonly #exporter: SkyWalkingExporter;
  readonly #labelKeys: readonly string[];
  readonly #queue: BatchQueue<LogData>;

  constructor(exporter: SkyWalkingExporter, options: SkyWalkingLogsOptions = {}) {
    const env = options.env ?? process.env;
    const keys = env.SW_AGENT_LOG_REPORTER_LABEL_KEYS?.split(",").map((key) => key.trim());
    const capacity = options.capacity ?? 5000;
    this.#exporter = exporter;
    this.#labelKeys = options.labelKeys ?? keys?.filter((key) => key !== "") ?? [];
    this.#queue = new BatchQueue(
      { export: (logs) => this.#export(logs), shutdown: async () => {} },
      {
        capacity,
        batchSize: Math.min(capacity, options.batchSize ?? 500),
        delayMs: options.delayMs ?? 1000,
        exportTimeoutMs: 60_000,
        shutdownTimeoutMs: 2000,
      },
    );
  }

  /** Takes one line: for a logger's `also`. What telemetry itself logs while it sends is left out, or it would never end. */
  readonly write: LineWriter = (level, message, fields) => {
    if (isTracingSuppressed(current())) return;
    const { identity, layer } = this.#exporter.settings;
    const place = activePlace();
    const tags = ["LEVEL", level.toUpperCase()];
    for (const key of this.#labelKeys) if (fields[key] !== undefined) tags.push(key, toText(fields[key]));
    if (fields.err !== undefined && !this.#labelKeys.includes("err")) tags.push("exception", toText(fields.err));
    this.#queue.push({
      ...identity,
      timeMs: Date.now(),
      endpoint: place?.endpoint ?? "",
      text: message,
      span: place,
      tags,
      layer,
    });
  };

  stats(): BatchQueueStats {
    return this.#queue.stats();
  }

  /** Resolves once the lines that wait now are sent or given up, or the collector turns out to be away. Never rejects. */
  forceFlush(): Promise<void> {
    return this.#queue.forceFlush();
  }

  /** Sends what waits, within two seconds, and takes no more. The exporter is its owner's to shut down. Never rejects. */
  shutdown(): Promise<void> {
    return this.#queue.shutdown();
  }

  async #export(logs: readonly LogData[]) {
    return toBatchResult(
      await this.#exporter.upstream.send({
        what: "log lines",
        service: "LogReportService",
        method: "collect",
        messages: () => logs.map(encodeLog),
        path: "/v3/logs",
        json: () => logs.map(toJson),
      }),
    );
  }
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function toJson(log: LogData): object {
  const { span } = log;
  return {
    timestamp: log.timeMs,
    service: log.service,
    serviceInstance: log.instance,
    endpoint: log.endpoint,
    body: { type: "TEXT", text: { text: log.text } },
    ...(span === undefined
      ? {}
      : { traceContext: { traceId: span.traceId, traceSegmentId: span.segmentId, spanId: span.spanId } }),
    tags: { data: pairsToJson(log.tags) },
    layer: log.layer,
  };
}
