import type { LineWriter } from "@clew/log";
import { logMetrics, tellTelemetry } from "@clew/metrics";
import { checkOptions, type OptionChecks } from "@clew/options";
import { createResource, readWords, warnOfVariable } from "@clew/trace";
import { optionError } from "./errors.ts";
import { flushAtEnd } from "./flush-at-end.ts";
import { OtlpLogs, type OtlpLogsOptions, type OtlpLogsStats, otlpLogsChecks } from "./otlp-logs.ts";
import { processOptionChecks } from "./process-options.ts";

export interface StartLogsOptions extends OtlpLogsOptions {
  /** The service name of this process. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of the service. Default: none. */
  version?: string;
  /** Signals before which waiting lines are exported when one of them ends the process, as with traces. Default: SIGTERM. */
  signals?: readonly NodeJS.Signals[];
}

/** The running export of log lines to a collector. */
export interface Logs {
  /** Accepts one line; pass it to a logger's `also`. */
  readonly write: LineWriter;
  /** Exports the waiting lines. Never rejects. */
  flush(): Promise<void>;
  /** Exports the waiting lines, within two seconds, and accepts no more. Never rejects. */
  shutdown(): Promise<void>;
  /** Counts of the lines so far, by outcome; undefined when OTEL_LOGS_EXPORTER is `none`. */
  stats(): OtlpLogsStats | undefined;
}

const optionChecks: OptionChecks<StartLogsOptions> = { ...processOptionChecks, ...otlpLogsChecks };

/**
 * Sends a logger's lines to a collector: `createLogger({ also: [startLogs().write] })`. A process that runs out of work, or is ended
 * by a signal, exports first. `OTEL_LOGS_EXPORTER=none` turns it off. The counts of lines are reported as metrics.
 *
 * @throws CLEW_EXPORTER_OPTION, and as {@link OtlpLogs} does
 */
export function startLogs(options: StartLogsOptions = {}): Logs {
  checkOptions("startLogs", options, optionChecks, optionError);
  const { service, version, signals = ["SIGTERM"], env = process.env, ...given } = options;
  const words = readWords(env, "OTEL_LOGS_EXPORTER") ?? ["otlp"];
  if (words.length === 1 && words[0] === "none") {
    return { write: () => {}, flush: async () => {}, shutdown: async () => {}, stats: () => undefined };
  }
  if (words.some((word) => word !== "otlp")) {
    warnOfVariable("OTEL_LOGS_EXPORTER", words.join(","), "otlp, or none alone", "otlp");
  }
  const logs = new OtlpLogs({
    env,
    resource: createResource({
      env,
      ...(service === undefined ? {} : { service }),
      ...(version === undefined ? {} : { version }),
    }),
    ...given,
  });
  const endTelling = tellTelemetry("logs", (meterProvider) => logMetrics(logs, { meterProvider }));
  const flush = (): Promise<void> => logs.forceFlush();
  const shutdown = async (): Promise<void> => {
    release();
    await logs.shutdown();
    endTelling();
  };
  const release = flushAtEnd({ flush, shutdown }, signals);
  return { write: logs.write, flush, shutdown, stats: () => logs.stats() };
}
