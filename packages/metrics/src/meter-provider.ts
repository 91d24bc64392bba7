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
  /** What is measured: this process. Default: {@link createResource}'s, which asks the environment. */
  resource?: Resource;
  /** What becomes of instruments that should be other than their makers thought. Default: none. */
  views?: readonly View[];
  /**
   * How many sets of attributes one instrument may have. What comes on top is counted together, under the attribute
   * `otel.metric.overflow`. Default: 2_000.
   */
  seriesLimit?: number;
  /**
   * "sampled" keeps, for each counter and each bucket of a histogram, a measurement taken in a sampled span; "off" none.
   * Default: "off" if OTEL_METRICS_EXEMPLAR_FILTER is always_off, else "sampled".
   */
  exemplars?: "sampled" | "off";
  /**
   * Whether histograms keep exponential buckets where no view says, see {@link View.exponential}. Default: true if
   * OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION is base2_exponential_bucket_histogram, else false.
   */
  exponential?: boolean | ExponentialOptions;
  /** How long the callbacks of observables may take in all, in milliseconds; those that take longer are left out. Default: 5_000. */
  callbackTimeoutMs?: number;
  /** Where the OTEL_ variables are read. Default: process.env. */
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

/** What is anything here is looked at below. */
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
  /** Sets of attributes that are kept, over all instruments. */
  readonly series: number;
  /** Measurements that were counted together because there was no space for their attributes. */
  readonly overflowed: number;
  /** Callbacks of observables that threw, or took too long. */
  readonly failedCallbacks: number;
}

/** Gives meters to everything that asks the OpenTelemetry API for one, once it is registered; tells what they measured when asked. */
export class MeterProvider implements MeterProviderApi {
  readonly #settings: MeterProviderSettings;
  readonly #meters = new Map<string, Meter>();
  readonly #round: Round;
  #turn: Promise<unknown> = Promise.resolve();
  #failedCallbacks = 0;
  /** How many series there were before an observation that is under way; each begins its observables anew. */
  #seriesBefore: number | undefined;
  #isRegistered = false;

  constructor(options: MeterProviderOptions = {}) {
    this.#settings = resolveMeterProviderOptions(options);
    this.#round = { number: 0, keepsExemplars: this.#settings.keepsExemplars };
  }

  get resource(): Resource {
    return this.#settings.resource;
  }

  /** The meter of a library or a part of the app; the same for the same arguments. */
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

  /** Makes this the provider of the whole process. Throws if there is one. */
  register(): this {
    if (this.#isRegistered) return this;
    if (!metrics.setGlobalMeterProvider(this)) throw registeredTwice();
    this.#isRegistered = true;
    tellAnew();
    return this;
  }

  /** Takes back {@link register}. Instruments that were made still measure. */
  unregister(): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    metrics.disable();
    tellAnew();
  }

  /**
   * What was measured so far, observables asked; with a memory, what came since the last time. Instruments without a measurement
   * are left out. Never rejects: callbacks that fail are counted.
   */
  collect(memory?: DeltaMemory): Promise<MetricsData> {
    // One after the other: two at a time would observe into each other's.
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
      // Keeps the process alive: somebody waits for this.
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
