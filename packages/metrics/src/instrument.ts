import {
  type Attributes,
  type BatchObservableResult,
  type Context,
  type Counter as CounterApi,
  diag,
  type Gauge as GaugeApi,
  type Histogram as HistogramApi,
  type Observable as ObservableApi,
  type ObservableCallback,
} from "@opentelemetry/api";
import type { Stream } from "./stream.ts";

/** What a measurement must be; anything else would spoil the whole series. */
function isMeasurable(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

abstract class Recorded {
  readonly name: string;
  readonly #streams: readonly Stream[];
  readonly #isInt: boolean;

  constructor(name: string, streams: readonly Stream[], isInt: boolean) {
    this.name = name;
    this.#streams = streams;
    this.#isInt = isInt;
  }

  protected take(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    const kept = this.#isInt ? Math.trunc(value) : value;
    for (const stream of this.#streams) stream.record(kept, attributes, context);
  }
}

/** A total that only grows: a value below zero is not taken. */
export class Counter extends Recorded implements CounterApi {
  add(value: number, attributes?: Attributes, context?: Context): void {
    if (isMeasurable(value) && value >= 0) this.take(value, attributes, context);
  }
}

/** A total that goes up and down. */
export class UpDownCounter extends Recorded implements CounterApi {
  add(value: number, attributes?: Attributes, context?: Context): void {
    if (isMeasurable(value)) this.take(value, attributes, context);
  }
}

/** A distribution: a value below zero is not taken, for the sum must not fall. */
export class Histogram extends Recorded implements HistogramApi {
  record(value: number, attributes?: Attributes, context?: Context): void {
    if (isMeasurable(value) && value >= 0) this.take(value, attributes, context);
  }
}

/** The last value. */
export class Gauge extends Recorded implements GaugeApi {
  record(value: number, attributes?: Attributes, context?: Context): void {
    if (isMeasurable(value)) this.take(value, attributes, context);
  }
}

/** A value that is asked for when it is collected. */
export class Observable implements ObservableApi {
  readonly name: string;
  readonly streams: readonly Stream[];
  readonly #isInt: boolean;
  readonly #callbacks = new Set<ObservableCallback>();

  constructor(name: string, streams: readonly Stream[], isInt: boolean) {
    this.name = name;
    this.streams = streams;
    this.#isInt = isInt;
  }

  addCallback(callback: ObservableCallback): void {
    this.#callbacks.add(callback);
  }

  removeCallback(callback: ObservableCallback): void {
    this.#callbacks.delete(callback);
  }

  /** What to ask, as functions that observe for as long as `isOpen` says. */
  observations(isOpen: () => boolean): (() => unknown)[] {
    const result = {
      observe: (value: number, attributes?: Attributes): void => {
        if (isOpen()) this.observe(value, attributes);
      },
    };
    return [...this.#callbacks].map((callback) => () => callback(result));
  }

  observe(value: number, attributes: Attributes | undefined): void {
    if (!isMeasurable(value)) return;
    const kept = this.#isInt ? Math.trunc(value) : value;
    for (const stream of this.streams) stream.record(kept, attributes, undefined);
  }
}

/** What a callback for several observables is handed: it takes values of those it was registered with. */
export function createBatchResult(
  observables: ReadonlySet<ObservableApi>,
  isOpen: () => boolean,
): BatchObservableResult {
  return {
    observe: (observable, value, attributes): void => {
      if (!isOpen()) return;
      if (observable instanceof Observable && observables.has(observable)) observable.observe(value, attributes);
      else diag.warn("clew metrics: a batch callback observes an instrument that it was not registered with");
    },
  };
}
