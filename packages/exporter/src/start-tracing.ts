import type { Logger } from "@clew/log";
import {
  type BatchOptions,
  BatchProcessor,
  type BatchStats,
  createResource,
  type Sampler,
  type SpanExporter,
  samplerFromEnv,
  TracerProvider,
} from "@clew/trace";
import { OtlpExporter } from "./otlp.ts";

export interface StartTracingOptions {
  /** The name under which this process is seen. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of it. Default: none. */
  version?: string;
  /** The OTLP collector, `http://127.0.0.1:4318`. Default: OTEL_EXPORTER_OTLP_ENDPOINT, or `http://localhost:4318`. */
  endpoint?: string;
  /** Which spans are recorded. Default: OTEL_TRACES_SAMPLER, or all whose parent is, and all without a parent. */
  sampler?: Sampler;
  /** Where spans go instead. Default: an {@link OtlpExporter} to `endpoint`. */
  exporter?: SpanExporter;
  /** How spans wait for others to go with. Default: see {@link BatchOptions}. */
  batch?: BatchOptions;
  /** Told when spans cannot be exported. Default: nobody. */
  logger?: Logger;
}

/** Tracing that runs. */
export interface Tracing {
  readonly provider: TracerProvider;
  /** Exports what has ended, within two seconds, and takes tracing out of the process. Never rejects. */
  shutdown(): Promise<void>;
  /** What became of the spans so far. */
  stats(): BatchStats;
}

/**
 * Traces this process: makes a provider, registers it for the whole process, and sends what it records to a collector. Call it
 * once, before anything else, and shut it down last. A process that runs out of work on its own flushes first.
 */
export function startTracing(options: StartTracingOptions = {}): Tracing {
  const exporter =
    options.exporter ??
    new OtlpExporter({
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
      ...(options.logger === undefined ? {} : { logger: options.logger }),
    });
  const processor = new BatchProcessor(exporter, options.batch);
  const provider = new TracerProvider({
    resource: createResource({
      ...(options.service === undefined ? {} : { service: options.service }),
      ...(options.version === undefined ? {} : { version: options.version }),
    }),
    sampler: options.sampler ?? samplerFromEnv(),
    processor,
  }).register();

  const flushAtExit = (): void => void shutdown();
  const shutdown = (): Promise<void> => {
    process.off("beforeExit", flushAtExit);
    return provider.shutdown();
  };
  process.once("beforeExit", flushAtExit);
  return { provider, shutdown, stats: () => processor.stats() };
}
