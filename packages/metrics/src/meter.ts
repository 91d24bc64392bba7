import type { Scope } from "@clew/trace";
import {
  type BatchObservableCallback,
  createNoopMeter,
  diag,
  type Meter as MeterApi,
  type MetricOptions,
  type Observable as ObservableApi,
  ValueType,
} from "@opentelemetry/api";
import type { DeltaMemory } from "./delta-memory.ts";
import type { ExponentialSettings } from "./exponential-buckets.ts";
import { Counter, createBatchResult, Gauge, Histogram, Observable, UpDownCounter } from "./instrument.ts";
import type { MetricData } from "./metric-data.ts";
import type { Round } from "./series.ts";
import { createStream, type Stream } from "./stream.ts";
import { areBoundaries, type InstrumentKind, type ResolvedView } from "./view.ts";

/** OpenTelemetry's default boundaries, used when no others are given: milliseconds of a request. */
const defaultBoundaries: readonly number[] = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

export interface MeterSettings {
  readonly views: readonly ResolvedView[];
  readonly seriesLimit: number;
  /** The exponential buckets of histograms for which no view says otherwise. */
  readonly exponential: ExponentialSettings | undefined;
  readonly round: Round;
}

/** One instrument, as it was requested. */
interface Registered {
  readonly kind: InstrumentKind;
  readonly description: string;
  readonly unit: string;
  readonly isInt: boolean;
  readonly instrument: object;
}

/** Creates the instruments of one library or part of the app. */
export class Meter implements MeterApi {
  readonly scope: Scope;
  readonly #settings: MeterSettings;
  readonly #instruments = new Map<string, Registered[]>();
  readonly #streams: Stream[] = [];
  readonly #observables: Observable[] = [];
  readonly #batchCallbacks: { callback: BatchObservableCallback; observables: ReadonlySet<ObservableApi> }[] = [];

  constructor(scope: Scope, settings: MeterSettings) {
    this.scope = scope;
    this.#settings = settings;
  }

  createCounter(name: string, options?: MetricOptions): Counter {
    return this.#register("counter", name, options, Counter) ?? (noop.createCounter(name) as Counter);
  }

  createUpDownCounter(name: string, options?: MetricOptions): UpDownCounter {
    return (
      this.#register("updowncounter", name, options, UpDownCounter) ?? (noop.createUpDownCounter(name) as UpDownCounter)
    );
  }

  createHistogram(name: string, options?: MetricOptions): Histogram {
    return this.#register("histogram", name, options, Histogram) ?? (noop.createHistogram(name) as Histogram);
  }

  createGauge(name: string, options?: MetricOptions): Gauge {
    return this.#register("gauge", name, options, Gauge) ?? (noop.createGauge(name) as Gauge);
  }

  createObservableCounter(name: string, options?: MetricOptions): Observable {
    return this.#observable("observablecounter", name, options);
  }

  createObservableUpDownCounter(name: string, options?: MetricOptions): Observable {
    return this.#observable("observableupdowncounter", name, options);
  }

  createObservableGauge(name: string, options?: MetricOptions): Observable {
    return this.#observable("observablegauge", name, options);
  }

  addBatchObservableCallback(callback: BatchObservableCallback, observables: ObservableApi[]): void {
    const set = new Set(observables);
    if (!this.#batchCallbacks.some((one) => one.callback === callback && isSameSet(one.observables, set))) {
      this.#batchCallbacks.push({ callback, observables: set });
    }
  }

  removeBatchObservableCallback(callback: BatchObservableCallback, observables: ObservableApi[]): void {
    const set = new Set(observables);
    const index = this.#batchCallbacks.findIndex((one) => one.callback === callback && isSameSet(one.observables, set));
    if (index >= 0) this.#batchCallbacks.splice(index, 1);
  }

  /** Begins an observation and returns the functions to call for it. */
  observations(isOpen: () => boolean): (() => unknown)[] {
    for (const { streams } of this.#observables) for (const stream of streams) stream.begin();
    const batches = this.#batchCallbacks.map(({ callback, observables }) => {
      const result = createBatchResult(observables, isOpen);
      return () => callback(result);
    });
    return [...this.#observables.flatMap((observable) => observable.observations(isOpen)), ...batches];
  }

  collect(timeUs: number, memory: DeltaMemory | undefined): MetricData[] {
    const metrics: MetricData[] = [];
    for (const stream of this.#streams) {
      const data = stream.collect(timeUs, memory);
      if (data !== undefined) metrics.push(data);
    }
    return metrics;
  }

  get streams(): readonly Stream[] {
    return this.#streams;
  }

  #observable(kind: InstrumentKind, name: string, options: MetricOptions | undefined): Observable {
    const made = this.#register(kind, name, options, Observable);
    // Not registered, so it is never read. Unlike the API's no-op instrument, it is recognized as one of ours.
    return made ?? new Observable(String(name), [], false);
  }

  /** Returns the instrument; the same name and kind return the same one. Undefined when the name is invalid. */
  #register<I extends object>(
    kind: InstrumentKind,
    name: string,
    { description = "", unit = "", valueType, advice }: MetricOptions = {},
    Instrument: new (name: string, streams: readonly Stream[], isInt: boolean) => I,
  ): I | undefined {
    if (!isInstrumentName(name)) {
      diag.warn(`clew metrics: ${JSON.stringify(name)} is not a valid name of an instrument; nothing is measured`);
      return undefined;
    }
    const isInt = valueType === ValueType.INT;
    const known = this.#instruments.get(name.toLowerCase()) ?? [];
    const same = known.find((one) => one.kind === kind && one.unit === unit && one.isInt === isInt);
    if (same !== undefined && same.description === description) return same.instrument as I;
    if (known.length > 0) {
      diag.warn(
        `clew metrics: ${name} is created twice in ${this.scope.name}, with a different kind, unit or description`,
      );
    }
    const boundaries = advice?.explicitBucketBoundaries;
    const hasBoundaries = boundaries !== undefined && areBoundaries(boundaries);
    const streams = this.#createStreams({
      kind,
      name,
      description,
      unit,
      isInt,
      boundaries: hasBoundaries ? boundaries : defaultBoundaries,
      exponential: this.#settings.exponential,
      keeps: undefined,
      seriesLimit: this.#settings.seriesLimit,
      round: this.#settings.round,
    });
    const instrument = new Instrument(name, streams, isInt);
    this.#instruments.set(name.toLowerCase(), [...known, { kind, description, unit, isInt, instrument }]);
    if (instrument instanceof Observable) this.#observables.push(instrument);
    return instrument;
  }

  #createStreams(settings: Parameters<typeof createStream>[0]): Stream[] {
    const { kind, name, unit } = settings;
    const views = this.#settings.views.filter((view) => view.matches(name, kind, unit, this.scope.name));
    const streams =
      views.length === 0
        ? [createStream(settings)]
        : views
            .filter((view) => !view.drop)
            .map((view) =>
              createStream({
                ...settings,
                name: view.name ?? name,
                description: view.description ?? settings.description,
                boundaries: view.boundaries ?? settings.boundaries,
                exponential: view.exponential === undefined ? settings.exponential : view.exponential || undefined,
                keeps: view.keeps,
                seriesLimit: view.seriesLimit ?? settings.seriesLimit,
              }),
            );
    this.#streams.push(...streams);
    return streams;
  }
}

const noop = createNoopMeter();

/** OpenTelemetry's rule: a letter, then up to 254 letters, digits, `_`, `.`, `-` and `/`. */
function isInstrumentName(name: unknown): name is string {
  return typeof name === "string" && /^[a-z][\w.\-/]{0,254}$/i.test(name);
}

function isSameSet<T>(one: ReadonlySet<T>, other: ReadonlySet<T>): boolean {
  return one.size === other.size && [...one].every((item) => other.has(item));
}
