import type { LineWriter } from "@clew/log";
import { logMetrics, tellTelemetry } from "@clew/metrics";
import { checkOptions, type OptionChecks } from "@clew/options";
import { createResource, readWords, warnOfVariable } from "@clew/trace";
import { optionError } from "./errors.ts";
import { flushAtEnd } from "./flush-at-end.ts";
import { OtlpLogs, type OtlpLogsOptions, type OtlpLogsStats, otlpLogsChecks } from "./otlp-logs.ts";
import { processOptionChecks } from "./process-options.ts";

export interface StartLogsOptions extends OtlpLogsOptions {
  /** The name under which this process is seen. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of it. Default: none. */
  version?: string;
  /** What waits goes out before one of these signals ends the process, as with traces. Default: SIGTERM. */
  signals?: readonly NodeJS.Signals[];
}

/** Log lines that go to a collector. */
export interface Logs {
  /** Takes one line: for a logger's `also`. */
  readonly write: LineWriter;
  /** Exports the lines that wait. Never rejects. */
  flush(): Promise<void>;
  /** Exports what waits, within two seconds, and takes no more. Never rejects. */
  shutdown(): Promise<void>;
  /** What became of the lines so far; undefined where OTEL_LOGS_EXPORTER is `none`. */
  stats(): OtlpLogsStats | undefined;
}

const optionChecks: OptionChecks<StartLogsOptions> = { ...processOptionChecks, ...otlpLogsChecks };

/**
 * Sends a logger's lines to a collector: `createLogger({ also: [startLogs().write] })`. A process that runs out of work on its own,
 * or is told to end, exports first. OTEL_LOGS_EXPORTER turns it off with `none`.
 * What became of the lines is told as metrics.
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
