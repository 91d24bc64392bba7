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
  /** The service name of this process. Default: OTEL_SERVICE_NAME, or `unknown_service:node`. */
  service?: string;
  /** The version of the service. Default: none. */
  version?: string;
  /** Additional resource attributes, named by OpenTelemetry's semantic conventions. Default: none. */
  attributes?: Readonly<Record<string, unknown>>;
  /** The URL of the OTLP collector, such as `http://127.0.0.1:4318`. Default: OTEL_EXPORTER_OTLP_ENDPOINT, or `http://localhost:4318`. */
  endpoint?: string;
  /** The thread that sends to the collector: "worker" for a separate one, see {@link OtlpOptions.thread}. Default: "main". */
  thread?: OtlpThread;
  /** Decides which spans are recorded. Default: OTEL_TRACES_SAMPLER, or all spans whose parent is recorded, and all without a parent. */
  sampler?: Sampler;
  /** Keeps errors and slow requests that the sampler rejected; `true` for the defaults. Default: false. */
  tail?: TailOptions | boolean;
  /**
   * One or several exporters. Default: the exporters that OTEL_TRACES_EXPORTER names (`otlp`, `zipkin`, `file`, `store`, `console`,
   * `none`; several are comma-separated), or an {@link OtlpExporter} to `endpoint`.
   */
  exporter?: SpanExporter | readonly SpanExporter[];
  /**
   * Also sends the same spans as SkyWalking segments, and propagates `sw8` beside W3C. `true` reads all settings from the SW_AGENT_
   * variables. For segments only, set `exporter: []`. SW_DISABLE turns it off. Default: false.
   */
  skywalking?: SkyWalkingTracingOptions | boolean;
  /** Further processors that receive every span, such as one for metrics. Default: none. */
  processors?: readonly SpanProcessor[];
  /** How spans are collected into batches. Default: see {@link BatchOptions}. */
  batch?: BatchOptions;
  /** The limits on the contents of a span, and on the spans of a request. Default: see {@link SpanLimitsOptions}. */
  limits?: SpanLimitsOptions;
  /** Reads and writes trace headers. Default: OTEL_PROPAGATORS, or W3C Trace Context and Baggage; with `skywalking` also `sw8`. */
  propagator?: TracerProviderOptions["propagator"] & {};
  /**
   * The trace that spans without a parent belong to: the result of `carryContext()` that this worker received, or "environment" for
   * the variables that `contextEnvironment()` wrote for this process. Default: none; each such span begins its own trace.
   */
  continueFrom?: CarriedContext | "environment";
  /** Finds lost contexts and spans that never end; costs 0.3 us per span. Default: false. */
  doctor?: DoctorOptions | boolean;
  /**
   * Signals before which waiting spans are exported, within two seconds, when one of them ends the process. The app's own listeners
   * are not delayed, and the effect of a signal does not change. Default: SIGTERM.
   */
  signals?: readonly NodeJS.Signals[];
  /** Logs when spans cannot be exported. Default: nothing is logged; only spans lost in a shutdown cause a process warning. */
  logger?: Logger;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Environment;
}

/** The running tracing of this process. */
export interface Tracing {
  readonly provider: TracerProvider;
  /** Exports the spans that have ended. Never rejects. */
  flush(): Promise<void>;
  /** Exports the spans that have ended, within two seconds, and unregisters tracing from the process. Never rejects. */
  shutdown(): Promise<void>;
  /** Counts of the spans so far, by outcome; with several exporters, the sum of the counts of each. */
  stats(): BatchStats;
  /** The same counts for each exporter, with the requests and bytes it sent. */
  exporterStats(): readonly ExporterStats[];
  /** Counts of the spans that the sampler rejected, by outcome. Undefined without `tail`. */
  tailStats(): TailStats | undefined;
  /** The exporter to SkyWalking's collector, for logs and meters. Undefined without `skywalking`. */
  readonly skywalking: SkyWalkingExporter | undefined;
  /** Counts of SkyWalking's segments, by outcome. Undefined without `skywalking`. */
  segmentStats(): SegmentStats | undefined;
  /** A report, as text, of everything that is wrong with the tracing of this process. Undefined without `doctor`. */
  report(): string | undefined;
}

const anExporter = having("an exporter such as new ConsoleExporter()", "export", "shutdown");

/** Nested options are checked too, before anything is created. */
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
 * Traces this process: creates a provider, registers it for the whole process, and sends the recorded spans to a collector. Call it
 * once, before anything else, and shut it down last. A process that runs out of work flushes before it exits. The counts of spans
 * are reported as metrics of the global meter provider, if there is one.
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
    // The doctor needs every span, including those that the tail processor forgets.
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

/** `sw8` comes after the others, because it adds to W3C's parent. */
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

/** The keys are the words of OTEL_TRACES_EXPORTER. */
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

/** A user's exporter may lack both an endpoint and a last error. */
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
