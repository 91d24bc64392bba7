import { current } from "@clew/context";
import type { LineWriter } from "@clew/log";
import { logMetrics, tellTelemetry } from "@clew/metrics";
import {
  aBoolean,
  anObject,
  aText,
  checkOptions,
  listOf,
  millisecondsFrom,
  type OptionChecks,
  wholeNumberFrom,
} from "@clew/options";
import {
  BatchQueue,
  type BatchQueueStats,
  type Environment,
  isTracingSuppressed,
  RingBuffer,
  readWord,
} from "@clew/trace";
import { activePlace, encodeLog, type LogData, pairsToJson } from "@clew/trace/skywalking";
import { optionError } from "./errors.ts";
import type { SkyWalkingExporter } from "./skywalking.ts";
import { toBatchResult } from "./skywalking-upstream.ts";

export interface SkyWalkingLogsOptions {
  /** Whether lines are sent. Default: SW_AGENT_LOG_REPORTER_ENABLE, or true. */
  isEnabled?: boolean;
  /** Names of the fields that become tags of a line. Default: SW_AGENT_LOG_REPORTER_LABEL_KEYS (comma-separated), or none. */
  labelKeys?: readonly string[];
  /** The maximum number of waiting lines. Default: 5_000. */
  capacity?: number;
  /** The maximum number of lines in one report. Default: 500. */
  batchSize?: number;
  /** How long a line waits for a batch to fill, in milliseconds. Default: 1_000. */
  delayMs?: number;
  /** The environment that the variables are read from. Default: process.env. */
  env?: Environment;
}

const optionChecks: OptionChecks<SkyWalkingLogsOptions> = {
  labelKeys: listOf('a list of names of fields, such as ["user"]', aText),
  capacity: wholeNumberFrom(1, 2 ** 24),
  batchSize: wholeNumberFrom(1),
  delayMs: millisecondsFrom(1),
  isEnabled: aBoolean,
  env: anObject,
};

/**
 * Sends log lines to SkyWalking's collector, each with its trace, segment and span, over the connection of an exporter. Lines wait in
 * a ring of fixed size; when it is full, new lines are dropped and counted. The counts of lines are reported as metrics of the global
 * provider. The shutdown of the exporter, or of startTracing, sends waiting lines, also when a signal ends the process.
 *
 *     const logs = new SkyWalkingLogs(tracing.skywalking!);
 *     const logger = createLogger({ also: [logs.write] });
 */
export class SkyWalkingLogs {
  readonly #exporter: SkyWalkingExporter;
  readonly #isEnabled: boolean;
  readonly #labelKeys: readonly string[];
  readonly #queue: BatchQueue<LogData>;
  readonly #endTelling: () => void;
  readonly #release: () => void;
  readonly componentType = "skywalking_log_exporter";

  /** @throws CLEW_EXPORTER_OPTION */
  constructor(exporter: SkyWalkingExporter, options: SkyWalkingLogsOptions = {}) {
    checkOptions("SkyWalkingLogs", options, optionChecks, optionError);
    const env = options.env ?? process.env;
    const keys = env.SW_AGENT_LOG_REPORTER_LABEL_KEYS?.split(",").map((key) => key.trim());
    const capacity = options.capacity ?? 5000;
    this.#exporter = exporter;
    const word = readWord(env, "SW_AGENT_LOG_REPORTER_ENABLE", ["true", "false"], "true");
    this.#isEnabled = options.isEnabled ?? word !== "false";
    this.#labelKeys = options.labelKeys ?? keys?.filter((key) => key !== "") ?? [];
    this.#queue = new BatchQueue(
      new RingBuffer<LogData>(capacity),
      { export: (logs) => this.#export(logs), shutdown: async () => {} },
      {
        capacity,
        batchSize: Math.min(capacity, options.batchSize ?? 500),
        delayMs: options.delayMs ?? 1000,
        exportTimeoutMs: 60_000,
        shutdownTimeoutMs: 2000,
      },
    );
    this.#endTelling = tellTelemetry("skywalking logs", (meterProvider) => logMetrics(this, { meterProvider }));
    this.#release = exporter.closeAfter(this);
  }

  /** Accepts one line; pass it to a logger's `also`. Lines that sending itself logs are ignored, or there would be an endless loop. */
  readonly write: LineWriter = (level, message, fields) => {
    if (!this.#isEnabled || isTracingSuppressed(current())) return;
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

  /** Resolves when all waiting lines are sent or given up, or the collector is found unavailable. Never rejects. */
  forceFlush(): Promise<void> {
    return this.#queue.forceFlush();
  }

  /** Sends waiting lines, within two seconds, and accepts no more. The exporter keeps running. Never rejects. */
  async shutdown(): Promise<void> {
    await this.#queue.shutdown();
    this.#release();
    this.#endTelling();
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
        kafka: (messages) => logs.map((log) => messages.log(log)),
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
