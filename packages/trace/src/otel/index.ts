// For library authors: what exporters, receivers and stores are made of.
export {
  BaggagePropagator,
  CompositePropagator,
  createPropagator,
  formatBaggage,
  formatTraceparent,
  parseBaggage,
  parseTraceparent,
  TraceContextPropagator,
} from "./propagator.ts";
export { TraceState } from "./trace-state.ts";
