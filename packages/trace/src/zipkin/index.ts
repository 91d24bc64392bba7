export { B3Propagator, type B3PropagatorOptions } from "./propagator.ts";

// For library authors.

export { parseB3 } from "./propagator.ts";
