export { MeterProvider, type MeterProviderOptions, type MeterProviderStats } from "./meter-provider.ts";
export type { InstrumentKind, View } from "./view.ts";

// For library authors: what readers, encoders and exporters are made of.

export { DeltaMemory } from "./delta-memory.ts";
export type { Meter } from "./meter.ts";
export type {
  Exemplar,
  GaugeData,
  HistogramData,
  HistogramPoint,
  MetricData,
  MetricsData,
  NumberPoint,
  ScopeMetrics,
  SumData,
} from "./metric-data.ts";
