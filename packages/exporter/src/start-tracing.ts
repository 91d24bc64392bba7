import type { Logger } from "@clew/log";
import { tellTelemetry, traceMetrics } from "@clew/metrics";
import {
  aText,
  checkOptions,
  having,
  isObject,
  kind,
  listOf,
  type OptionChecks,
  optionsWith,
  orBoolean,
  orListOf,
} from "@clew/options";
import {
  type BatchOptions,
  BatchProcessor,
  type BatchStats,
  batchChecks,
  type CarriedContext,
  composeProcessors,
  contextFromCarried,
  contextFromEnvironment,
  createResource,
  Doctor,
  type DoctorOptions,
  doctorChecks,
  type Environment,
  type ExporterStats,
  propagatorFromEnv,
  readBoolean,
  readWords,
  type Sampler,
  type SpanExporter,
  type SpanLimitsOptions,
  type SpanProcessor,
  samplerFromEnv,
  spanLimitsChecks,
  type TailOptions,
  TailProcessor,
  type TailStats,
  TracerProvider,
  type TracerProviderOptions,
  tailChecks,
  warnOfVariable,
} from "@clew/trace";
import { CompositePropagator } from "@clew/trace/otel";
import type { SegmentStats, SkyWalkingPropagator } from "@clew/trace/skywalking";
import { ConsoleExporter } from "./console.ts";
import { optionError } from "./errors.ts";
import { FileExporter } from "./file.ts";
import { flushAtEnd } from "./flush-at-end.ts";
import { OtlpExporter } from "./otlp.ts";
import { aThread, type OtlpThread } from "./otlp-options.ts";
import { processOptionChecks } from "./process-options.ts";
import type { SkyWalkingExporter } from "./skywalking.ts";
import {
  createSkyWalkingTracing,
  type SkyWalkingTracing,
  type SkyWalkingTracingOptions,
  skyWalkingTracingChecks,
} from "./skywalking-tracing.ts";
import { StoreExporter } from "./store.ts";
import { type Outlet, watchLosses } from "./watch-losses.ts";
import { ZipkinExporter } from "./zipkin.ts";

export interface StartTracingOptions {
  /** The name under which this process is seen. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of it. Default: none. */
  version?: string;
  /** More about it, by the names of OpenTelemetry's conventions. Default: none. */
  attributes?: Readonly<Record<string, unknown>>;
  /** The OTLP collector, `http://127.0.0.1:4318`. Default: OTEL_EXPORTER_OTLP_ENDPOINT, or `http://localhost:4318`. */
  endpoint?: string;
  /** Which thread sends to it: "worker" for one of its own, see {@link OtlpOptions.thread}. Default: "main". */
  thread?: OtlpThread;
  /** Which spans are recorded. Default: OTEL_TRACES_SAMPLER, or all whose parent is, and all without a parent. */
  sampler?: Sampler;
  /** Keeps errors and slow requests that the sampler did not want; `true` for the defaults. Default: false. */
  tail?: TailOptions | boolean;
  /**
   * Where spans go instead, one or several. Default: what OTEL_TRACES_EXPORTER names (`otlp`, `zipkin`, `file`, `store`, `console`, `none`, several with commas
   * between), or an {@link OtlpExporter} to `endpoint`.
   */
  exporter?: SpanExporter | readonly SpanExporter[];
  /**
   * Sends SkyWalking's segments as well, of the same spans, and speaks `sw8` beside W3C; `true` for what the SW_AGENT_ variables
   * say. For segments alone set `exporter: []`. SW_DISABLE turns it off. Default: false.
   */
  skywalking?: SkyWalkingTracingOptions | boolean;
  /** What else is handed every span: metrics. Default: none. */
  processors?: readonly SpanProcessor[];
  /** How spans wait for others to go with. Default: see {@link BatchOptions}. */
  batch?: BatchOptions;
  /** How much a span, and a request, may hold. Default: see {@link SpanLimitsOptions}. */
  limits?: SpanLimitsOptions;
  /** What crosses the wire. Default: OTEL_PROPAGATORS, or W3C Trace Context and Baggage; `sw8` beside them with `skywalking`. */
  propagator?: TracerProviderOptions["propagator"] & {};
  /**
   * The trace that work without a parent belongs to: what `carryContext()` gave to this worker, or "environment" for what
   * `contextEnvironment()` wrote for this process. Default: none; each begins its own.
   */
  continueFrom?: CarriedContext | "environment";
  /** Looks for lost contexts and spans that never end; costs 0.3 us a span. Default: false. */
  doctor?: DoctorOptions | boolean;
  /**
   * What waits goes out before one of these signals ends the process, within two seconds; the app's own listeners are not held up,
   * and what a signal does stays what it was. Default: SIGTERM.
   */
  signals?: readonly NodeJS.Signals[];
  /** Told when spans cannot be exported. Default: nobody, but for spans that a shutdown lost: of these a process warning tells. */
  logger?: Logger;
  /** Where the OTEL_ variables are read. Default: process.env. */
  env?: Environment;
}

/** Tracing that runs. */
export interface Tracing {
  readonly provider: TracerProvider;
  /** Exports what has ended. Never rejects. */
  flush(): Promise<void>;
  /** Exports what has ended, within two seconds, and takes tracing out of the process. Never rejects. */
  shutdown(): Promise<void>;
  /** What became of the spans so far; with several exporters the sum, each counting for itself. */
  stats(): BatchStats;
  /** The same for each exporter, with what it took to send. */
  exporterStats(): readonly ExporterStats[];
  /** What became of the spans that the sampler did not want. Undefined without `tail`. */
  tailStats(): TailStats | undefined;
  /** The way to SkyWalking's collector, for logs and meters. Undefined without `skywalking`. */
  readonly skywalking: SkyWalkingExporter | undefined;
  /** What became of SkyWalking's segments. Undefined without `skywalking`. */
  segmentStats(): SegmentStats | undefined;
  /** What is wrong with the tracing of this process, as text. Undefined without `doctor`. */
  report(): string | undefined;
}

const anExporter = having("an exporter such as new ConsoleExporter()", "export", "shutdown");

/** What is in it, too: before anything is made. */
const optionChecks: OptionChecks<StartTracingOptions> = {
  ...processOptionChecks,
  attributes: kind('an object, such as { "host.name": "a" }', isObject),
  endpoint: aText,
  thread: aThread,
  sampler: having("a sampler such as traceIdRatio(0.1)", "shouldSample"),
  tail: orBoolean(optionsWith(tailChecks)),
  exporter: orListOf(anExporter, listOf("a list of exporters", anExporter)),
  skywalking: orBoolean(optionsWith(skyWalkingTracingChecks)),
  processors: listOf("a list of processors", having("a processor", "onStart", "onEnd", "forceFlush", "shutdown")),
  batch: optionsWith(batchChecks),
  limits: optionsWith(spanLimitsChecks),
  propagator: having("a propagator", "inject", "extract", "fields"),
  continueFrom: kind(
    '"environment" or what carryContext() gave',
    (given) => given === "environment" || isObject(given),
  ),
  doctor: orBoolean(optionsWith(doctorChecks)),
};

/**
 * Traces this process: makes a provider, registers it for the whole process, and sends what it records to a collector. Call it
 * once, before anything else, and shut it down last. A process that runs out of work on its own flushes first. What became of the
 * spans is told as metrics of the global provider, whenever there is one.
 *
 * @throws CLEW_EXPORTER_OPTION, CLEW_TRACE_OPTION
 */
export function startTracing(options: StartTracingOptions = {}): Tracing {
  checkOptions("startTracing", options, optionChecks, optionError);
  const env = options.env ?? process.env;
  const exporters = createExporters(options, env);
  const batches = exporters.map(([, exporter]) => new BatchProcessor(exporter, { env, ...options.batch }));
  const doctor = createDoctor(options, exporters, batches, () => provider.stats());
  const skywalking = createSkyWalking(options, env);
  const all = [
    ...batches,
    ...(options.processors ?? []),
    ...[skywalking?.profiler, skywalking?.processor, doctor].filter(isGiven),
  ];
  const collected = all.length === 1 ? all[0]! : composeProcessors(...all);
  const tail = options.tail ? new TailProcessor(collected, options.tail === true ? {} : options.tail) : undefined;
  const propagator = options.propagator ?? createPropagator(skywalking?.propagator, env);
  const { continueFrom } = options;
  const provider = new TracerProvider({
    resource: createResource({
      env,
      ...(options.service === undefined ? {} : { service: options.service }),
      ...(options.version === undefined ? {} : { version: options.version }),
      ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
    }),
    sampler: options.sampler ?? skywalking?.sampler ?? samplerFromEnv(env),
    // The doctor looks at every span, also at those that are forgotten.
    processor: doctor === undefined ? (tail ?? collected) : composeProcessors(tail ?? collected, doctor),
    propagator,
    env,
    ...(skywalking === undefined ? {} : { ids: skywalking.processor }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(continueFrom === undefined
      ? {}
      : {
          rootContext:
            continueFrom === "environment"
              ? contextFromEnvironment(env, propagator)
              : contextFromCarried(continueFrom, propagator),
        }),
  }).register();

  const outlets = exporters.map((exporter, index) => toOutlet(exporter, batches[index]!));
  if (skywalking !== undefined) outlets.push(skywalking.outlet);
  const end = async (): Promise<void> => {
    release();
    skywalking?.stop();
    const tellLosses = watchLosses(outlets, options.logger);
    await provider.shutdown();
    await tellLosses();
    endTelling();
  };
  let ended: Promise<void> | undefined;
  const shutdown = (): Promise<void> => {
    ended ??= end();
    return ended;
  };
  const flush = (): Promise<void> => provider.forceFlush();
  const release = flushAtEnd({ flush, shutdown }, options.signals ?? ["SIGTERM"]);
  const tracing: Tracing = {
    provider,
    flush,
    shutdown,
    stats: () => sumOf(batches.map((batch) => batch.stats())),
    exporterStats: () => batches.flatMap((batch) => batch.exporterStats()),
    tailStats: () => tail?.stats(),
    skywalking: skywalking?.exporter,
    segmentStats: () => skywalking?.processor.stats(),
    report: () => doctor?.report(),
  };
  const endTelling = tellTelemetry("traces", (meterProvider) => traceMetrics(tracing, { meterProvider }));
  return tracing;
}

function createSkyWalking(options: StartTracingOptions, env: Environment): SkyWalkingTracing | undefined {
  if (!options.skywalking || readBoolean(env, "SW_DISABLE")) return undefined;
  const { service, logger, sampler } = options;
  const given: SkyWalkingTracingOptions = {
    env,
    ...(service === undefined ? {} : { service }),
    ...(logger === undefined ? {} : { logger }),
    ...(options.skywalking === true ? {} : options.skywalking),
  };
  return createSkyWalkingTracing(given, env, sampler !== undefined || Boolean(env.OTEL_TRACES_SAMPLER));
}

/** Behind the others: what `sw8` tells of W3C's parent is added to it. */
function createPropagator(
  skywalking: SkyWalkingPropagator | undefined,
  env: Environment,
): TracerProviderOptions["propagator"] & {} {
  const propagator = propagatorFromEnv(env);
  return skywalking === undefined ? propagator : new CompositePropagator([propagator, skywalking]);
}

function isGiven<T>(value: T | undefined): value is T {
  return value !== undefined;
}

type NamedExporter = readonly [name: string, exporter: SpanExporter];

/** By the words of OTEL_TRACES_EXPORTER. */
const makers: Readonly<Record<string, (options: StartTracingOptions, env: Environment) => SpanExporter>> = {
  otlp: ({ endpoint, thread, logger }, env) =>
    new OtlpExporter({
      env,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(thread === undefined ? {} : { thread }),
      ...(logger === undefined ? {} : { logger }),
    }),
  zipkin: ({ logger }, env) => new ZipkinExporter({ env, ...(logger === undefined ? {} : { logger }) }),
  file: ({ logger }, env) =>
    new FileExporter({
      ...(env.CLEW_TRACES_FILE ? { path: env.CLEW_TRACES_FILE } : {}),
      ...(logger === undefined ? {} : { logger }),
    }),
  store: () => new StoreExporter(),
  console: () => new ConsoleExporter(),
  // The specification's name for OTLP's JSON on standard output.
  "otlp/stdout": () => new FileExporter({ path: "-" }),
};

function createExporters(options: StartTracingOptions, env: Environment): NamedExporter[] {
  const { exporter } = options;
  if (exporter !== undefined) {
    const given: readonly SpanExporter[] = Array.isArray(exporter) ? exporter : [exporter as SpanExporter];
    return given.map((one) => [one.constructor.name, one]);
  }
  const words = readWords(env, "OTEL_TRACES_EXPORTER") ?? ["otlp"];
  if (words.length === 1 && words[0] === "none") return [];
  const known = words.filter((word) => Object.hasOwn(makers, word));
  if (known.length < words.length) {
    const accepted = `${Object.keys(makers).join(", ")}, or none alone`;
    warnOfVariable("OTEL_TRACES_EXPORTER", words.join(","), accepted, known.length === 0 ? "otlp" : known.join(","));
  }
  return (known.length === 0 ? ["otlp"] : known).map((word) => [word, makers[word]!(options, env)]);
}

function createDoctor(
  { doctor }: StartTracingOptions,
  exporters: readonly NamedExporter[],
  batches: readonly BatchProcessor[],
  provider: DoctorOptions["provider"] & {},
): Doctor | undefined {
  if (!doctor) return undefined;
  const stats = exporters.map(([name], index) => [name, () => batches[index]!.stats()] as const);
  return new Doctor({ provider, exporters: Object.fromEntries(stats), ...(doctor === true ? {} : doctor) });
}

/** A given exporter need tell neither where it sends to nor what went wrong. */
function toOutlet([name, exporter]: NamedExporter, batch: BatchProcessor): Outlet {
  const { url } = exporter as SpanExporter & { readonly url?: unknown };
  return {
    unit: "span",
    endpoint: url instanceof URL ? url.href : name,
    stats: () => batch.stats(),
    lastError: () => (exporter.sendingStats?.() as { readonly lastError?: unknown } | undefined)?.lastError,
  };
}

function sumOf(all: readonly BatchStats[]): BatchStats {
  const sum: Record<keyof BatchStats, number> = {
    started: 0,
    exported: 0,
    rejected: 0,
    dropped: 0,
    late: 0,
    failed: 0,
    timedOut: 0,
    waiting: 0,
    exporting: 0,
    capacity: 0,
  };
  for (const stats of all) for (const key of Object.keys(sum) as (keyof BatchStats)[]) sum[key] += stats[key];
  return sum;
}
