import { type MeterProvider, metrics } from "@opentelemetry/api";

/** Begins to tell of something as metrics; returns what ends that. */
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
 * Tells of the telemetry of a signal ("traces") as metrics of the global provider: of the one there is, and of the next that is registered
 * here. So whoever starts tracing need not know whether metrics come before it, after it or never. What is returned is called after a
 * shutdown: the last numbers, of what was dropped just then, are told until the same signal starts anew or there is another provider.
 */
export function tellTelemetry(signal: string, tell: TellTelemetry): () => void {
  for (const one of told) if (one.isFinal && one.signal === signal) forget(one);
  const one: Told = { signal, tell, stop: tell(metrics.getMeterProvider()), isFinal: false };
  told.add(one);
  return () => {
    one.isFinal = true;
  };
}

/** There is another global provider: whatever is told is told to that one. */
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
