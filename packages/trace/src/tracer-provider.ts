import { aBoolean, anObject, anything, checkOptions, having, type OptionChecks } from "@clew/options";
import {
  type Context,
  context,
  type Tracer as OtelTracer,
  type TracerProvider as OtelTracerProvider,
  ProxyTracerProvider,
  propagation,
  type SpanContext,
  type TextMapPropagator,
  type TracerOptions,
  trace,
} from "@opentelemetry/api";
import { ContextManager } from "./context-manager.ts";
import { type Environment, readBoolean } from "./environment.ts";
import { optionError, registeredTwice } from "./errors.ts";
import type { IdSource } from "./id-source.ts";
import { propagatorFromEnv } from "./propagator-from-env.ts";
import { aResource, createResource, type Resource } from "./resource.ts";
import { parentBased, type Sampler } from "./sampler.ts";
import { resolveSpanLimits, type SpanLimits, type SpanLimitsOptions } from "./span-limits.ts";
import type { SpanProcessor } from "./span-processor.ts";
import { createCounters, type TraceCounters } from "./trace-counters.ts";
import { Tracer } from "./tracer.ts";

export interface TracerProviderOptions {
  /** The resource that produces the spans. Default: the result of {@link createResource}, which reads the environment. */
  resource?: Resource;
  /** Decides which spans are recorded. Default: all spans whose parent is recorded, and all without a parent. */
  sampler?: Sampler;
  /** Receives started and ended spans. Default: none; contexts are still propagated. */
  processor?: SpanProcessor;
  /** The source of trace ids and span ids. Default: random ids. */
  ids?: IdSource;
  /** The limits on the contents of one span. Default: see {@link SpanLimitsOptions}. */
  limits?: SpanLimitsOptions;
  /** The propagator that register() installs. Default: the ones that OTEL_PROPAGATORS names, or W3C Trace Context and Baggage. */
  propagator?: TextMapPropagator;
  /** Its span is the parent of spans that have no other, see `contextFromEnvironment`. Default: none. */
  rootContext?: Context;
  /** Creates no spans; propagators still work. Default: OTEL_SDK_DISABLED, or false. */
  isDisabled?: boolean;
  /** The environment that the OTEL_ variables are read from. Default: process.env. */
  env?: Environment;
}

interface TracerProviderSettings {
  readonly resource: Resource;
  readonly sampler: Sampler;
  readonly processor: SpanProcessor;
  readonly ids: IdSource | undefined;
  readonly limits: SpanLimits;
  readonly propagator: TextMapPropagator;
  readonly rootParent: SpanContext | undefined;
  readonly isDisabled: boolean;
}

const optionChecks: OptionChecks<TracerProviderOptions> = {
  resource: aResource,
  sampler: having("a sampler such as traceIdRatio(0.1)", "shouldSample"),
  processor: having("a processor such as a BatchProcessor", "onStart", "onEnd", "forceFlush", "shutdown"),
  ids: having("a source of ids", "createTrace", "createSpanId"),
  // Checked by resolveSpanLimits.
  limits: anything,
  propagator: having("a propagator", "inject", "extract", "fields"),
  rootContext: having("a context", "getValue"),
  isDisabled: aBoolean,
  env: anObject,
};

/** @throws CLEW_TRACE_OPTION */
function resolveTracerProviderOptions(options: TracerProviderOptions): TracerProviderSettings {
  checkOptions("TracerProvider", options, optionChecks, optionError);
  const env = options.env ?? process.env;
  return {
    resource: options.resource ?? createResource({ env }),
    sampler: options.sampler ?? parentBased(),
    processor: options.processor ?? nowhere,
    ids: options.ids,
    limits: resolveSpanLimits(options.limits, env),
    propagator: options.propagator ?? propagatorFromEnv(env),
    rootParent: options.rootContext === undefined ? undefined : trace.getSpanContext(options.rootContext),
    isDisabled: options.isDisabled ?? readBoolean(env, "OTEL_SDK_DISABLED"),
  };
}

/** Creates tracers. Once it is registered, the OpenTelemetry API gets its tracers from it. */
export class TracerProvider implements OtelTracerProvider {
  readonly #settings: TracerProviderSettings;
  readonly #tracers = new Map<string, Tracer>();
  readonly #contextManager = new ContextManager();
  readonly #counters: TraceCounters = createCounters();
  #isRegistered = false;
  #isShutDown = false;

  constructor(options: TracerProviderOptions = {}) {
    this.#settings = resolveTracerProviderOptions(options);
  }

  get resource(): Resource {
    return this.#settings.resource;
  }

  /** Returns the tracer of a library or a part of the app; the same one for the same arguments. */
  getTracer(name: string, version = "", options?: TracerOptions): OtelTracer {
    // OpenTelemetry's no-op tracer.
    if (this.#settings.isDisabled || this.#isShutDown)
      return new ProxyTracerProvider().getTracer(name, version, options);
    const schemaUrl = options?.schemaUrl ?? "";
    // Most callers give only a name, which is then the key without concatenation.
    const key = version === "" && schemaUrl === "" ? name : `${name}\n${version}\n${schemaUrl}`;
    let tracer = this.#tracers.get(key);
    if (tracer === undefined) {
      const { sampler, ...settings } = this.#settings;
      const scope = { name: name || "", version, schemaUrl };
      tracer = new Tracer({ ...settings, counters: this.#counters, scope }, sampler);
      this.#tracers.set(key, tracer);
    }
    return tracer;
  }

  /** Counts of the spans that the tracers were asked for so far. */
  stats(): Readonly<TraceCounters> {
    return { ...this.#counters };
  }

  /** Makes this the global provider, with the framework's context storage and the propagator. Throws if one is registered already. */
  register(): this {
    if (this.#isRegistered) return this;
    if (globalProvider() !== undefined) throw registeredTwice("tracer provider");
    if (!context.setGlobalContextManager(this.#contextManager)) throw registeredTwice("context manager");
    if (!propagation.setGlobalPropagator(this.#settings.propagator)) {
      context.disable();
      throw registeredTwice("propagator");
    }
    if (!trace.setGlobalTracerProvider(this)) {
      context.disable();
      propagation.disable();
      throw registeredTwice("tracer provider");
    }
    this.#isRegistered = true;
    return this;
  }

  /** Undoes {@link register}. Live spans still end at this provider. */
  unregister(): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    trace.disable();
    propagation.disable();
    context.disable();
  }

  /** Resolves when all ended spans are exported, or given up. Never rejects. */
  async forceFlush(): Promise<void> {
    await this.#settings.processor.forceFlush();
  }

  /** Unregisters, exports ended spans within the processor's deadline, and records no further spans. Never rejects. */
  async shutdown(): Promise<void> {
    this.unregister();
    this.#isShutDown = true;
    await this.#settings.processor.shutdown();
  }
}

/** The provider behind the API's proxy, if one is registered. */
function globalProvider(): OtelTracerProvider | undefined {
  const proxy = trace.getTracerProvider();
  if (!(proxy instanceof ProxyTracerProvider)) return proxy;
  return proxy.getDelegateTracer("") === undefined ? undefined : proxy.getDelegate();
}

const nowhere: SpanProcessor = {
  onStart: () => {},
  onEnd: () => {},
  forceFlush: async () => {},
  shutdown: async () => {},
};
