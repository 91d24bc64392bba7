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

/** How segments are made, sent, and what crosses the wire with them. */
export interface SkyWalkingTracingOptions
  extends SkyWalkingOptions,
    SegmentProcessorOptions,
    SkyWalkingPropagatorOptions {
  /**
   * What the collector may change while this process runs, and what the SW_AGENT_ variables say of sampling; used where there is
   * neither a `sampler` nor OTEL_TRACES_SAMPLER. `false` asks the collector for nothing. Default: see {@link DynamicSamplerOptions}.
   */
  sampling?: DynamicSamplerOptions | false;
  /** Whether Node itself is measured for the collector's dashboard. Default: SW_AGENT_NODEJS_RUNTIME_METRICS_REPORTER_ACTIVE, or true but over HTTP. */
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

/** SkyWalking's part of startTracing: what makes its segments, brings them away, and asks the collector for its wishes. */
export interface SkyWalkingTracing {
  readonly exporter: SkyWalkingExporter;
  readonly processor: SegmentProcessor;
  /** By which the segments leave. */
  readonly outlet: Outlet;
  readonly propagator: SkyWalkingPropagator;
  /** Undefined unless asked for. */
  readonly profiler: TraceProfiler | undefined;
  /** Undefined where somebody else decides. */
  readonly sampler: DynamicSampler | undefined;
  /** Ends what asks and measures; the segments go out with the processor's shutdown. */
  stop(): void;
}

/** Connects to SkyWalking. `hasSampler`: somebody else decides which spans are recorded. */
export function createSkyWalkingTracing(
  given: SkyWalkingTracingOptions,
  env: Environment,
  hasSampler: boolean,
): SkyWalkingTracing {
  const exporter = new SkyWalkingExporter(pickOptions(given, skyWalkingChecks));
  exporter.start();
  // Over HTTP the collector takes neither meters nor questions, through Kafka no questions.
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
      // At once, beside the segments: the two share the time that a shutdown has. The exporter waits for them.
      void exporter.endUsers();
    },
  };
}
