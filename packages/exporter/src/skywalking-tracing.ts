import { aBoolean, type OptionChecks, optionsWith, pickOptions } from "@clew/options";
import type { Environment } from "@clew/trace";
import {
  DynamicSampler,
  type DynamicSamplerOptions,
  dynamicSamplerChecks,
  SegmentProcessor,
  type SegmentProcessorOptions,
  SkyWalkingPropagator,
  type SkyWalkingPropagatorOptions,
  segmentProcessorChecks,
  skyWalkingPropagatorChecks,
} from "@clew/trace/skywalking";
import { SkyWalkingExporter } from "./skywalking.ts";
import { DynamicConfiguration } from "./skywalking-configuration.ts";
import { RuntimeMeters, wantsRuntimeMeters } from "./skywalking-meters.ts";
import { type SkyWalkingOptions, skyWalkingChecks } from "./skywalking-options.ts";
import { TraceProfiler } from "./skywalking-profiler.ts";
import type { Outlet } from "./watch-losses.ts";

/** Options for creating segments, sending them, and propagating `sw8`. */
export interface SkyWalkingTracingOptions
  extends SkyWalkingOptions,
    SegmentProcessorOptions,
    SkyWalkingPropagatorOptions {
  /**
   * Sampling settings from the SW_AGENT_ variables, which the collector may change while this process runs. They apply only if neither
   * `sampler` nor OTEL_TRACES_SAMPLER is set. With `false` the collector is not queried. Default: see {@link DynamicSamplerOptions}.
   */
  sampling?: DynamicSamplerOptions | false;
  /**
   * Whether the Node runtime is measured for the collector's dashboard. Default: SW_AGENT_NODEJS_RUNTIME_METRICS_REPORTER_ACTIVE, or
   * true, except over HTTP.
   */
  runtimeMeters?: boolean;
  /** Whether the collector may ask for profiles of requests. Default: false. */
  profiling?: boolean;
}

const samplingChecks = optionsWith(dynamicSamplerChecks);

export const skyWalkingTracingChecks: OptionChecks<SkyWalkingTracingOptions> = {
  ...skyWalkingChecks,
  ...segmentProcessorChecks,
  ...skyWalkingPropagatorChecks,
  sampling: (name, given) => (given === false ? undefined : samplingChecks(name, given)),
  runtimeMeters: aBoolean,
  profiling: aBoolean,
};

/** SkyWalking's part of startTracing: it creates segments, sends them, and queries the collector for configuration and tasks. */
export interface SkyWalkingTracing {
  readonly exporter: SkyWalkingExporter;
  readonly processor: SegmentProcessor;
  /** The route by which segments leave the process. */
  readonly outlet: Outlet;
  readonly propagator: SkyWalkingPropagator;
  /** Undefined unless `profiling` is true. */
  readonly profiler: TraceProfiler | undefined;
  /** Undefined if another sampler decides. */
  readonly sampler: DynamicSampler | undefined;
  /** Stops queries and measurements; the processor's shutdown sends the segments. */
  stop(): void;
}

/** Connects to SkyWalking. `hasSampler` means that another sampler decides which spans are recorded. */
export function createSkyWalkingTracing(
  given: SkyWalkingTracingOptions,
  env: Environment,
  hasSampler: boolean,
): SkyWalkingTracing {
  const exporter = new SkyWalkingExporter(pickOptions(given, skyWalkingChecks));
  exporter.start();
  // Over HTTP the collector accepts neither meters nor queries; through Kafka it accepts no queries.
  const isGrpc = exporter.settings.protocol === "grpc";
  const isMeasured = given.runtimeMeters ?? wantsRuntimeMeters(env);
  const meters = exporter.settings.protocol !== "http" && isMeasured ? new RuntimeMeters(exporter, { env }) : undefined;
  const isSampling = given.sampling !== false && !hasSampler;
  const processor = new SegmentProcessor(exporter, pickOptions(given, segmentProcessorChecks));
  const sampler = isSampling ? new DynamicSampler({ env, ...given.sampling }) : undefined;
  const configuration =
    isGrpc && given.sampling !== false
      ? new DynamicConfiguration(exporter, [processor, ...(sampler === undefined ? [] : [sampler])], { env })
      : undefined;
  return {
    exporter,
    processor,
    outlet: {
      unit: "segment",
      endpoint: exporter.settings.backends.join(", "),
      stats: () => processor.stats(),
      lastError: () => exporter.stats().lastError,
    },
    propagator: new SkyWalkingPropagator(pickOptions(given, skyWalkingPropagatorChecks)),
    profiler: given.profiling && isGrpc ? new TraceProfiler(exporter, { env }) : undefined,
    sampler,
    stop: () => {
      meters?.stop();
      configuration?.stop();
      // In parallel with the segments, because both share the deadline of the shutdown. The exporter waits for them.
      void exporter.endUsers();
    },
  };
}
