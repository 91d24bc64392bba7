import type { Logger } from "@clew/log";
import {
  MeterProvider,
  type MeterProviderOptions,
  type MetricsExporter,
  meterMetrics,
  PeriodicReader,
  type PeriodicReaderOptions,
  type PeriodicReaderStats,
  resolvePeriodicReaderOptions,
  runtimeMetrics,
  tellTelemetry,
} from "@clew/metrics";
import { aBoolean, anObject, aText, checkOptions, having, type OptionChecks } from "@clew/options";
import { createResource, type Environment, readWords, warnOfVariable } from "@clew/trace";
import { optionError } from "./errors.ts";
import { flushAtEnd } from "./flush-at-end.ts";
import { OtlpMetricsExporter } from "./otlp-metrics.ts";
import { processOptionChecks } from "./process-options.ts";

export interface StartMetricsOptions {
  /** The service name of this process. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of the service. Default: none. */
  version?: string;
  /** The URL of the OTLP collector, such as `http://127.0.0.1:4318`. Default: OTEL_EXPORTER_OTLP_ENDPOINT, or `http://localhost:4318`. */
  endpoint?: string;
  /**
   * The exporter of metrics; with `false` metrics are only scraped. Default: the exporter that OTEL_METRICS_EXPORTER names (`otlp`;
   * `none` or `prometheus` for scraping only), or an {@link OtlpMetricsExporter} to `endpoint`.
   */
  exporter?: MetricsExporter | false;
  /** How often metrics are exported, and whether as totals or deltas. Default: see {@link PeriodicReaderOptions}. */
  reader?: PeriodicReaderOptions;
  /** Options of the meter provider, such as views and the limit on series. Default: see {@link MeterProviderOptions}. */
  provider?: Omit<MeterProviderOptions, "resource" | "env">;
  /** Whether the Node runtime is measured, see {@link runtimeMetrics}. Default: false. */
  runtime?: boolean;
  /** Signals before which metrics are exported when one of them ends the process, as with traces. Default: SIGTERM. */
  signals?: readonly NodeJS.Signals[];
  /** Logs when metrics cannot be exported. Default: nothing is logged. */
  logger?: Logger;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Environment;
}

/** The running metrics of this process. */
export interface Metrics {
  /** The provider, for creating instruments and for prometheusRoute. */
  readonly provider: MeterProvider;
  /** Exports the current values. Never rejects. */
  flush(): Promise<void>;
  /** Exports a last time, within two seconds, and unregisters metrics from the process. Never rejects. */
  shutdown(): Promise<void>;
  /** Counts of the exports so far; undefined when metrics are only scraped. */
  stats(): PeriodicReaderStats | undefined;
}

const anExporter = having("false or an exporter such as new OtlpMetricsExporter()", "export", "shutdown");

const optionChecks: OptionChecks<StartMetricsOptions> = {
  ...processOptionChecks,
  endpoint: aText,
  exporter: (name, given) => (given === false ? undefined : anExporter(name, given)),
  // Their fields are checked by the functions that receive them.
  reader: anObject,
  provider: anObject,
  runtime: aBoolean,
};

/** Checks all options before anything is registered. */
function check(options: StartMetricsOptions): void {
  checkOptions("startMetrics", options, optionChecks, optionError);
  resolvePeriodicReaderOptions(options.reader);
}

/**
 * Measures this process: creates a provider, registers it for the whole process, and sends its metrics to a collector. Call it
 * once, before anything else, and shut it down last. A process that runs out of work, or is ended by a signal, exports first.
 *
 * @throws CLEW_EXPORTER_OPTION, CLEW_METRICS_OPTION
 */
export function startMetrics(options: StartMetricsOptions = {}): Metrics {
  check(options);
  const { service, version, env = process.env } = options;
  const provider = new MeterProvider({
    ...options.provider,
    env,
    resource: createResource({
      env,
      ...(service === undefined ? {} : { service }),
      ...(version === undefined ? {} : { version }),
    }),
  }).register();
  const exporter = createExporter(options, env);
  const reader = exporter && new PeriodicReader(provider, exporter, { env, ...options.reader });
  const stopRuntime = options.runtime ? runtimeMetrics({ meterProvider: provider }) : undefined;

  const endTelling = tellTelemetry("metrics", (meterProvider) =>
    meterMetrics({ provider, exporter, stats: () => reader?.stats() }, { meterProvider }),
  );
  const flush = async (): Promise<void> => reader?.forceFlush();
  const shutdown = async (): Promise<void> => {
    release();
    await reader?.shutdown();
    stopRuntime?.();
    endTelling();
    provider.unregister();
  };
  const release = flushAtEnd({ flush, shutdown }, options.signals ?? ["SIGTERM"]);
  return { provider, flush, shutdown, stats: () => reader?.stats() };
}

function createExporter(options: StartMetricsOptions, env: Environment): MetricsExporter | undefined {
  if (options.exporter !== undefined) return options.exporter || undefined;
  const words = readWords(env, "OTEL_METRICS_EXPORTER") ?? ["otlp"];
  const known = words.filter((word) => word === "otlp" || word === "none" || word === "prometheus");
  if (known.length < words.length) {
    warnOfVariable("OTEL_METRICS_EXPORTER", words.join(","), "otlp, prometheus, none", known.join(",") || "otlp");
  }
  if (known.length > 0 && !known.includes("otlp")) return undefined;
  const { endpoint, logger } = options;
  return new OtlpMetricsExporter({
    env,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(logger === undefined ? {} : { logger }),
  });
}
