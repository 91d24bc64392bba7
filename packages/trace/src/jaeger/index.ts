export { JaegerPropagator } from "./propagator.ts";

// For library authors.

export { parseUberTraceId } from "./propagator.ts";
