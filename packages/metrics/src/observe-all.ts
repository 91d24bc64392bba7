import type { Attributes, BatchObservableCallback, Meter, Observable } from "@opentelemetry/api";

/** Records a value during a collection. */
export type Note = (observable: Observable, value: number, attributes?: Attributes) => void;

/** Creates those instruments of one meter that are read when metrics are collected. */
export interface Instruments {
  counter(name: string, unit: string, description: string): Observable;
  upDownCounter(name: string, unit: string, description: string): Observable;
}

/** Creates instruments, and reads them all together at each collection. Returns a function that ends that. */
export function observeAll(meter: Meter, make: (instruments: Instruments) => (note: Note) => void): () => void {
  const made: Observable[] = [];
  const keep = (observable: Observable): Observable => {
    made.push(observable);
    return observable;
  };
  const read = make({
    counter: (name, unit, description) => keep(meter.createObservableCounter(name, { unit, description })),
    upDownCounter: (name, unit, description) => keep(meter.createObservableUpDownCounter(name, { unit, description })),
  });
  const observe: BatchObservableCallback = (result) =>
    read((observable, value, attributes) => result.observe(observable, value, attributes));
  meter.addBatchObservableCallback(observe, made);
  return () => meter.removeBatchObservableCallback(observe, made);
}
