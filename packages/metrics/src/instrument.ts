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

/** Any other value would make the whole series useless. */
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

/** A total that only grows: values below zero are ignored. */
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

/** A distribution: values below zero are ignored, because the sum must not fall. */
export class Histogram extends Recorded implements HistogramApi {
  record(value: number, attributes?: Attributes, context?: Context): void {
    if (isMeasurable(value) && value >= 0) this.take(value, attributes, context);
  }
}

/** The last value that was recorded. */
export class Gauge extends Recorded implements GaugeApi {
  record(value: number, attributes?: Attributes, context?: Context): void {
    if (isMeasurable(value)) this.take(value, attributes, context);
  }
}

/** An instrument whose value is read when metrics are collected. */
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

  /** Returns the callbacks to run, as functions that observe only while `isOpen` returns true. */
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

/**
 * The argument of a callback for several observables: it accepts values of the observables that the callback was registered
 * with.
 */
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
