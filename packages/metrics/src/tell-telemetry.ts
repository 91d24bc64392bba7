import { type MeterProvider, metrics } from "@opentelemetry/api";

/** Begins to report something as metrics; returns a function that ends it. */
export type TellTelemetry = (meterProvider: MeterProvider) => () => void;

interface Told {
  readonly signal: string;
  readonly tell: TellTelemetry;
  stop: () => void;
  /** Whether it has been shut down: then its numbers are final. */
  isFinal: boolean;
}

const told = new Set<Told>();

/**
 * Reports the telemetry of a signal ("traces") as metrics of the global provider: of the current one, and of any that is registered
 * here later. So code that starts tracing need not know whether metrics start before it, after it or never. Call the returned function
 * after a shutdown: the final numbers, including what was dropped last, are reported until the same signal starts again or another
 * provider is registered.
 */
export function tellTelemetry(signal: string, tell: TellTelemetry): () => void {
  for (const one of told) if (one.isFinal && one.signal === signal) forget(one);
  const one: Told = { signal, tell, stop: tell(metrics.getMeterProvider()), isFinal: false };
  told.add(one);
  return () => {
    one.isFinal = true;
  };
}

/** Called when there is another global provider: everything is reported to that one. */
export function tellAnew(): void {
  for (const one of told) {
    if (one.isFinal) forget(one);
    else {
      one.stop();
      one.stop = one.tell(metrics.getMeterProvider());
    }
  }
}

function forget(one: Told): void {
  one.stop();
  told.delete(one);
}
