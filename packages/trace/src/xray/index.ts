export { XRayPropagator } from "./propagator.ts";

// For library authors.

export { parseAmznTraceId } from "./propagator.ts";
