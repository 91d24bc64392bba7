import { aNumber, anObject, anything, checkOptions, type OptionChecks } from "@clew/options";
import { aResource, createResource, type Resource, readWord, readWords, warnOfVariable } from "@clew/trace";
import { diag, type MeterOptions, type MeterProvider as MeterProviderApi, metrics } from "@opentelemetry/api";
import type { DeltaMemory } from "./delta-memory.ts";
import { optionError, optionInvalid, registeredTwice } from "./errors.ts";
import { type ExponentialOptions, type ExponentialSettings, resolveExponentialOptions } from "./exponential-buckets.ts";
import { Meter } from "./meter.ts";
import type { MetricsData, ScopeMetrics } from "./metric-data.ts";
import { nowUs, type Round } from "./series.ts";
import { tellAnew } from "./tell-telemetry.ts";
import { type ResolvedView, resolveView, type View } from "./view.ts";

export interface MeterProviderOptions {
  /** What is measured, which is this process. Default: the result of {@link createResource}, which reads the environment. */
  resource?: Resource;
  /** Changes to instruments that other code creates. Default: none. */
  views?: readonly View[];
  /**
   * The maximum number of attribute sets of one instrument. Further measurements are counted together, under the attribute
   * `otel.metric.overflow`. Default: 2_000.
   */
  seriesLimit?: number;
  /**
   * "sampled" keeps, for each counter and each bucket of a histogram, a measurement made in a sampled span; "off" keeps none.
   * Default: "off" if OTEL_METRICS_EXEMPLAR_FILTER is always_off, otherwise "sampled".
   */
  exemplars?: "sampled" | "off";
  /**
   * Whether histograms keep exponential buckets if no view says otherwise, see {@link View.exponential}. Default: true if
   * OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION is base2_exponential_bucket_histogram, otherwise false.
   */
  exponential?: boolean | ExponentialOptions;
  /**
   * How long all callbacks of observables together may take, in milliseconds; values that come later are left out. Default: 5_000.
   */
  callbackTimeoutMs?: number;
  /** The environment from which the OTEL_ variables are read. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

interface MeterProviderSettings {
  readonly resource: Resource;
  readonly views: readonly ResolvedView[];
  readonly seriesLimit: number;
  readonly keepsExemplars: boolean;
  readonly exponential: ExponentialSettings | undefined;
  readonly callbackTimeoutMs: number;
}

/** The options checked as `anything` are checked below. */
const optionChecks: OptionChecks<MeterProviderOptions> = {
  resource: aResource,
  views: anything,
  seriesLimit: aNumber,
  exemplars: anything,
  exponential: anything,
  callbackTimeoutMs: aNumber,
  env: anObject,
};

/** @throws CLEW_METRICS_OPTION */
export function resolveMeterProviderOptions(options: MeterProviderOptions): MeterProviderSettings {
  checkOptions("MeterProvider", options, optionChecks, optionError);
  const env = options.env ?? process.env;
  const { seriesLimit = 2000, callbackTimeoutMs = 5000 } = options;
  const filter = readWord(
    env,
    "OTEL_METRICS_EXEMPLAR_FILTER",
    ["trace_based", "always_on", "always_off"],
    "trace_based",
  );
  const exemplars = options.exemplars ?? (filter === "always_off" ? "off" : "sampled");
  if (!(Number.isInteger(seriesLimit) && seriesLimit > 1)) {
    throw optionInvalid("seriesLimit", seriesLimit, "a whole number above 1");
  }
  if (exemplars !== "sampled" && exemplars !== "off") throw optionInvalid("exemplars", exemplars, '"sampled" or "off"');
  if (!(callbackTimeoutMs > 0 && callbackTimeoutMs < 2 ** 31)) {
    throw optionInvalid("callbackTimeoutMs", callbackTimeoutMs, "a number of milliseconds above 0");
  }
  if (options.views !== undefined && !Array.isArray(options.views)) {
    throw optionInvalid("views", options.views, 'a list of views, such as [{ instrument: "*", drop: true }]');
  }
  return {
    resource: options.resource ?? createResource({ env }),
    views: (options.views ?? []).map(resolveView),
    seriesLimit,
    keepsExemplars: exemplars === "sampled",
    exponential: resolveExponentialOptions(options.exponential ?? asksForExponential(env)),
    callbackTimeoutMs,
  };
}

function asksForExponential(env: Readonly<Record<string, string | undefined>>): boolean {
  const name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
  const [word = "explicit_bucket_histogram"] = readWords(env, name) ?? [];
  if (word === "base2_exponential_bucket_histogram") return true;
  if (word !== "explicit_bucket_histogram") {
    warnOfVariable(name, word, "explicit_bucket_histogram, base2_exponential_bucket_histogram", "the former");
  }
  return false;
}

export interface MeterProviderStats {
  /** The number of attribute sets that are kept, over all instruments. */
  readonly series: number;
  /** The number of measurements that were counted together because there was no space for their attributes. */
  readonly overflowed: number;
  /** The number of callbacks of observables that threw or took too long. */
  readonly failedCallbacks: number;
}

/** Provides meters to all code that uses the OpenTelemetry API, once it is registered, and collects what they measured. */
export class MeterProvider implements MeterProviderApi {
  readonly #settings: MeterProviderSettings;
  readonly #meters = new Map<string, Meter>();
  readonly #round: Round;
  #turn: Promise<unknown> = Promise.resolve();
  #failedCallbacks = 0;
  /** The number of series before an observation that is in progress; each observation starts with empty observables. */
  #seriesBefore: number | undefined;
  #isRegistered = false;

  constructor(options: MeterProviderOptions = {}) {
    this.#settings = resolveMeterProviderOptions(options);
    this.#round = { number: 0, keepsExemplars: this.#settings.keepsExemplars };
  }

  get resource(): Resource {
    return this.#settings.resource;
  }

  /** Returns the meter of a library or of a part of the app. The same arguments return the same meter. */
  getMeter(name: string, version = "", options?: MeterOptions): Meter {
    const schemaUrl = options?.schemaUrl ?? "";
    const key = `${name}\n${version}\n${schemaUrl}`;
    let meter = this.#meters.get(key);
    if (meter === undefined) {
      const { views, seriesLimit, exponential } = this.#settings;
      const scope = { name: name || "", version, schemaUrl };
      meter = new Meter(scope, { views, seriesLimit, exponential, round: this.#round });
      this.#meters.set(key, meter);
    }
    return meter;
  }

  /** Makes this the global provider of the process. Throws if there is one already. */
  register(): this {
    if (this.#isRegistered) return this;
    if (!metrics.setGlobalMeterProvider(this)) throw registeredTwice();
    this.#isRegistered = true;
    tellAnew();
    return this;
  }

  /** Undoes {@link register}. Instruments that were already created continue to measure. */
  unregister(): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    metrics.disable();
    tellAnew();
  }

  /**
   * Reads the observables and returns everything measured so far; with a memory, what was measured since the previous call.
   * Instruments without a measurement are omitted. Never rejects: failing callbacks are counted.
   */
  collect(memory?: DeltaMemory): Promise<MetricsData> {
    // One after the other: two collections at the same time would mix their observations.
    const turn = this.#turn.then(() => this.#collect(memory));
    this.#turn = turn;
    return turn;
  }

  async #collect(memory: DeltaMemory | undefined): Promise<MetricsData> {
    this.#seriesBefore = this.stats().series;
    await this.#observe();
    this.#seriesBefore = undefined;
    const timeUs = nowUs();
    const scopes: ScopeMetrics[] = [];
    for (const meter of this.#meters.values()) {
      const collected = meter.collect(timeUs, memory);
      if (collected.length > 0) scopes.push({ scope: meter.scope, metrics: collected });
    }
    this.#round.number++;
    return { resource: this.#settings.resource, scopes };
  }

  async #observe(): Promise<void> {
    let isOpen = true;
    let left = 0;
    const waiting: Promise<void>[] = [];
    const fail = (error: unknown): void => {
      this.#failedCallbacks++;
      diag.warn("clew metrics: the callback of an observable failed", error);
    };
    for (const meter of this.#meters.values()) {
      for (const observe of meter.observations(() => isOpen)) {
        try {
          const observed = observe();
          if (!isPromise(observed)) continue;
          left++;
          waiting.push(
            observed.then(
              () => void left--,
              (error: unknown) => {
                left--;
                if (isOpen) fail(error);
              },
            ),
          );
        } catch (error) {
          fail(error);
        }
      }
    }
    if (waiting.length > 0) await this.#waitFor(waiting);
    isOpen = false;
    for (let late = 0; late < left; late++) fail(new Error("it took too long"));
  }

  async #waitFor(waiting: readonly Promise<void>[]): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<void>((resolve) => {
      // Keeps the process alive, because a caller waits for this.
      timer = setTimeout(resolve, this.#settings.callbackTimeoutMs);
    });
    await Promise.race([Promise.all(waiting), timeIsUp]);
    clearTimeout(timer);
  }

  stats(): MeterProviderStats {
    let series = 0;
    let overflowed = 0;
    for (const meter of this.#meters.values()) {
      for (const stream of meter.streams) {
        series += stream.size;
        overflowed += stream.overflowed;
      }
    }
    return { series: this.#seriesBefore ?? series, overflowed, failedCallbacks: this.#failedCallbacks };
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
