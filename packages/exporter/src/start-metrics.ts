import type { Logger } from "@clew/log";
import {
  MeterProvider,
  type MeterProviderOptions,
  type MetricsExporter,
  PeriodicReader,
  type PeriodicReaderOptions,
  type PeriodicReaderStats,
  runtimeMetrics,
} from "@clew/metrics";
import { createResource, type Environment, readWords, warnOfVariable } from "@clew/trace";
import { OtlpMetricsExporter } from "./otlp-metrics.ts";

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
  /** Told when metrics cannot be exported. Default: nobody. */
  logger?: Logger;
  /** Where the OTEL_ variables are read. Default: process.env. */
  env?: Environment;
}

/** Metrics that run. */
export interface Metrics {
  /** For instruments, and for prometheusRoute. */
  readonly provider: MeterProvider;
  /** Exports a last time, within two seconds, and takes metrics out of the process. Never rejects. */
  shutdown(): Promise<void>;
  /** How often metrics were exported; undefined when they are only scraped. */
  stats(): PeriodicReaderStats | undefined;
}

/**
 * Measures this process: makes a provider, registers it for the whole process, and sends what it measures to a collector. Call it
 * once, before anything else, and shut it down last. A process that runs out of work on its own exports first.
 */
export function startMetrics(options: StartMetricsOptions = {}): Metrics {
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

  const flushAtExit = (): void => void shutdown();
  const shutdown = async (): Promise<void> => {
    process.off("beforeExit", flushAtExit);
    await reader?.shutdown();
    stopRuntime?.();
    provider.unregister();
  };
  process.once("beforeExit", flushAtExit);
  return { provider, shutdown, stats: () => reader?.stats() };
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
