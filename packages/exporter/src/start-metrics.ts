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
  /** The name under which this process is seen. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of it. Default: none. */
  version?: string;
  /** The OTLP collector, `http://127.0.0.1:4318`. Default: OTEL_EXPORTER_OTLP_ENDPOINT, or `http://localhost:4318`. */
  endpoint?: string;
  /**
   * Where metrics go instead; `false` for nowhere: they are only scraped. Default: what OTEL_METRICS_EXPORTER names (`otlp`; `none`,
   * or `prometheus` for a scrape only), or an {@link OtlpMetricsExporter} to `endpoint`.
   */
  exporter?: MetricsExporter | false;
  /** How often, and as totals or as deltas. Default: see {@link PeriodicReaderOptions}. */
  reader?: PeriodicReaderOptions;
  /** What becomes of instruments, how many series there may be. Default: see {@link MeterProviderOptions}. */
  provider?: Omit<MeterProviderOptions, "resource" | "env">;
  /** Whether Node itself is measured, see {@link runtimeMetrics}. Default: false. */
  runtime?: boolean;
  /** What was measured goes out before one of these signals ends the process, as with traces. Default: SIGTERM. */
  signals?: readonly NodeJS.Signals[];
  /** Told when metrics cannot be exported. Default: nobody. */
  logger?: Logger;
  /** Where the OTEL_ variables are read. Default: process.env. */
  env?: Environment;
}

/** Metrics that run. */
export interface Metrics {
  /** For instruments, and for prometheusRoute. */
  readonly provider: MeterProvider;
  /** Exports what was measured until now. Never rejects. */
  flush(): Promise<void>;
  /** Exports a last time, within two seconds, and takes metrics out of the process. Never rejects. */
  shutdown(): Promise<void>;
  /** How often metrics were exported; undefined when they are only scraped. */
  stats(): PeriodicReaderStats | undefined;
}

const anExporter = having("false or an exporter such as new OtlpMetricsExporter()", "export", "shutdown");

const optionChecks: OptionChecks<StartMetricsOptions> = {
  ...processOptionChecks,
  endpoint: aText,
  exporter: (name, given) => (given === false ? undefined : anExporter(name, given)),
  // Who they are for looks at what is in them.
  reader: anObject,
  provider: anObject,
  runtime: aBoolean,
};

/** Before anything is registered. */
function check(options: StartMetricsOptions): void {
  checkOptions("startMetrics", options, optionChecks, optionError);
  resolvePeriodicReaderOptions(options.reader);
}

/**
 * Measures this process: makes a provider, registers it for the whole process, and sends what it measures to a collector. Call it
 * once, before anything else, and shut it down last. A process that runs out of work on its own, or is told to end, exports first.
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
