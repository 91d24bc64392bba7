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
  /** What makes the spans. Default: {@link createResource}'s, which asks the environment. */
  resource?: Resource;
  /** Which spans are recorded. Default: all whose parent is, and all without a parent. */
  sampler?: Sampler;
  /** Where ended spans go. Default: nowhere; contexts still cross the wire. */
  processor?: SpanProcessor;
  /** Where trace ids and span ids come from. Default: they are random. */
  ids?: IdSource;
  /** How much one span may hold. Default: see {@link SpanLimitsOptions}. */
  limits?: SpanLimitsOptions;
  /** What crosses the wire once this provider is registered. Default: what OTEL_PROPAGATORS names, or W3C Trace Context and Baggage. */
  propagator?: TextMapPropagator;
  /** Its span is the parent of spans that have none: what started this process, see `contextFromEnvironment`. Default: none. */
  rootContext?: Context;
  /** Makes no spans at all; propagators work as ever. Default: OTEL_SDK_DISABLED, or false. */
  isDisabled?: boolean;
  /** Where the OTEL_ variables are read. Default: process.env. */
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
  // Its reader looks at it.
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

/** Gives tracers to everything that asks the OpenTelemetry API for one, once it is registered. */
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

  /** The tracer of a library or a part of the app; the same for the same arguments. */
  getTracer(name: string, version = "", options?: TracerOptions): OtelTracer {
    // OpenTelemetry's own, which makes no spans.
    if (this.#settings.isDisabled || this.#isShutDown)
      return new ProxyTracerProvider().getTracer(name, version, options);
    const schemaUrl = options?.schemaUrl ?? "";
    // Most know only their name, and then it is the key as it is.
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

  /** What was asked of the tracers so far. */
  stats(): Readonly<TraceCounters> {
    return { ...this.#counters };
  }

  /** Makes this the provider of the whole process, with the framework's context storage and the propagator. Throws if there is one. */
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

  /** Takes back {@link register}. Spans that are under way still end here. */
  unregister(): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    trace.disable();
    propagation.disable();
    context.disable();
  }

  /** Resolves once all spans that have ended are out of the process, or given up. Never rejects. */
  async forceFlush(): Promise<void> {
    await this.#settings.processor.forceFlush();
  }

  /** Unregisters, exports what has ended within the processor's deadline, and records nothing more. Never rejects. */
  async shutdown(): Promise<void> {
    this.unregister();
    this.#isShutDown = true;
    await this.#settings.processor.shutdown();
  }
}

/** What is registered behind the API's proxy, if anything. */
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
