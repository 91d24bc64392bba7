import type { Attributes, Context } from "@opentelemetry/api";
import type { DeltaMemory, Seen } from "./delta-memory.ts";
import { type ExponentialSettings, subtractExponential } from "./exponential-buckets.ts";
import type { Exemplar, HistogramPoint, MetricData, NumberPoint } from "./metric-data.ts";
import { HistogramSeries, LastSeries, type Round, type Series, SumSeries } from "./series.ts";
import { SeriesTable } from "./series-table.ts";
import type { InstrumentKind } from "./view.ts";

/** How the measurements of one stream are kept. */
export interface StreamSettings {
  readonly kind: InstrumentKind;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly isInt: boolean;
  readonly boundaries: readonly number[];
  /** For histograms: the exponential buckets that are kept in addition to the fixed ones. */
  readonly exponential: ExponentialSettings | undefined;
  readonly keeps: ((name: string) => boolean) | undefined;
  readonly seriesLimit: number;
  readonly round: Round;
}

/** The measurements of one instrument, as one view wants them. */
export interface Stream {
  readonly name: string;
  /** The number of series. */
  readonly size: number;
  /** The number of measurements that found no space for their attributes. */
  readonly overflowed: number;
  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void;
  /** Begins an observation: earlier observed values are forgotten. Does nothing for instruments that are not observed. */
  begin(): void;
  /** Returns the measurements; undefined when there are none. With a memory, those since the previous call. */
  collect(timeUs: number, memory: DeltaMemory | undefined): MetricData | undefined;
}

export function createStream(settings: StreamSettings): Stream {
  switch (settings.kind) {
    case "histogram":
      return new HistogramStream(settings);
    case "gauge":
    case "observablegauge":
      return new GaugeStream(settings);
    case "observablecounter":
    case "observableupdowncounter":
      // When a view drops attributes, several totals belong to one series.
      return settings.keeps === undefined ? new TotalStream(settings) : new SumStream(settings);
    default:
      return new SumStream(settings);
  }
}

abstract class TableStream<S extends Series> implements Stream {
  protected readonly settings: StreamSettings;
  protected table: SeriesTable<S>;
  readonly #isObserved: boolean;
  #overflowedBefore = 0;

  constructor(settings: StreamSettings) {
    this.settings = settings;
    this.#isObserved = settings.kind.startsWith("observable");
    this.table = this.#createTable();
  }

  get name(): string {
    return this.settings.name;
  }

  get size(): number {
    return this.table.size;
  }

  get overflowed(): number {
    return this.#overflowedBefore + this.table.overflowed;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    this.table.find(attributes).record(value, context);
  }

  begin(): void {
    if (!this.#isObserved) return;
    // Only values observed this time are reported: a queue that is gone must not keep its last length.
    this.#overflowedBefore += this.table.overflowed;
    this.table = this.#createTable();
  }

  abstract collect(timeUs: number, memory: DeltaMemory | undefined): MetricData | undefined;

  protected abstract create(attributes: S["attributes"], key: string): S;

  #createTable(): SeriesTable<S> {
    const { seriesLimit, keeps } = this.settings;
    return new SeriesTable({ create: (attributes, key) => this.create(attributes, key), limit: seriesLimit, keeps });
  }
}

class SumStream extends TableStream<SumSeries> {
  // Totals are observed as they are, so they begin when the stream begins.
  readonly #startUs = Date.now() * 1000;

  protected create(attributes: SumSeries["attributes"], key: string): SumSeries {
    return new SumSeries(attributes, key, this.settings.round);
  }

  collect(timeUs: number, memory: DeltaMemory | undefined): MetricData | undefined {
    const { name, description, unit, isInt, kind } = this.settings;
    const isMonotonic = kind === "counter" || kind === "observablecounter";
    const isDelta = isMonotonic && memory !== undefined;
    const startUs = kind.startsWith("observable") ? this.#startUs : undefined;
    const memoryOf = isDelta ? createMemory(memory.of(this)) : undefined;
    const points: NumberPoint[] = [];
    for (const series of this.table.series()) {
      const seen = memoryOf?.get(series.key);
      const exemplars = toList(series.exemplar);
      memoryOf?.set(series.key, { timeUs, value: series.value, count: 0, counts: none });
      if (seen?.value === series.value) continue;
      points.push({
        attributes: series.attributes,
        startUs: seen?.timeUs ?? startUs ?? series.startUs,
        timeUs,
        // A total that fell has started anew.
        value: seen === undefined || series.value < seen.value ? series.value : series.value - seen.value,
        exemplars: seen === undefined ? exemplars : exemplars.filter((one) => one.timeUs >= seen.timeUs),
      });
    }
    memoryOf?.forgetOthers();
    if (points.length === 0) return undefined;
    return { type: "sum", name, description, unit, isInt, isMonotonic, isDelta, points };
  }
}

/** Observed totals: a total that is observed twice counts once. */
class TotalStream extends SumStream {
  override record(value: number, attributes: Attributes | undefined): void {
    this.table.find(attributes).value = value;
  }
}

class GaugeStream extends TableStream<LastSeries> {
  protected create(attributes: LastSeries["attributes"], key: string): LastSeries {
    return new LastSeries(attributes, key);
  }

  collect(timeUs: number): MetricData | undefined {
    const { name, description, unit, isInt } = this.settings;
    const points: NumberPoint[] = [];
    for (const { attributes, value, startUs } of this.table.series()) {
      points.push({ attributes, startUs, timeUs, value, exemplars: none });
    }
    return points.length === 0 ? undefined : { type: "gauge", name, description, unit, isInt, points };
  }
}

class HistogramStream extends TableStream<HistogramSeries> {
  protected create(attributes: HistogramSeries["attributes"], key: string): HistogramSeries {
    const { round, boundaries, exponential } = this.settings;
    return new HistogramSeries(attributes, key, round, boundaries, exponential);
  }

  collect(timeUs: number, memory: DeltaMemory | undefined): MetricData | undefined {
    const { name, description, unit, boundaries } = this.settings;
    const memoryOf = memory && createMemory(memory.of(this));
    const points: HistogramPoint[] = [];
    for (const series of this.table.series()) {
      const counts = series.counts.slice();
      const exponential = series.exponential?.snapshot();
      const seen = memoryOf?.get(series.key);
      memoryOf?.set(series.key, { timeUs, value: series.sum, count: series.count, counts, exponential });
      if (seen?.count === series.count) continue;
      const exemplars = series.exemplars?.filter((one) => one !== undefined) ?? none;
      points.push({
        attributes: series.attributes,
        startUs: seen?.timeUs ?? series.startUs,
        timeUs,
        count: series.count - (seen?.count ?? 0),
        sum: series.sum - (seen?.value ?? 0),
        min: memory === undefined ? series.min : undefined,
        max: memory === undefined ? series.max : undefined,
        counts: seen === undefined ? counts : counts.map((count, index) => count - seen.counts[index]!),
        exponential:
          exponential && seen?.exponential ? subtractExponential(exponential, seen.exponential) : exponential,
        exemplars: seen === undefined ? exemplars : exemplars.filter((one) => one.timeUs >= seen.timeUs),
      });
    }
    memoryOf?.forgetOthers();
    if (points.length === 0) return undefined;
    return { type: "histogram", name, description, unit, boundaries, isDelta: memory !== undefined, points };
  }
}

const none: readonly never[] = Object.freeze([]);

function toList(exemplar: Exemplar | undefined): readonly Exemplar[] {
  return exemplar === undefined ? none : [exemplar];
}

/** One pass over what was seen: series that do not appear again are forgotten. */
function createMemory(seen: Map<string, Seen>) {
  const met = new Set<string>();
  return {
    get: (key: string): Seen | undefined => seen.get(key),
    set(key: string, value: Seen): void {
      met.add(key);
      seen.set(key, value);
    },
    forgetOthers(): void {
      if (met.size === seen.size) return;
      for (const key of seen.keys()) if (!met.has(key)) seen.delete(key);
    },
  };
}
