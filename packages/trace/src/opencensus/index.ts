export { GrpcTraceBinPropagator } from "./propagator.ts";

// For library authors.

export { formatGrpcTraceBin, parseGrpcTraceBin } from "./propagator.ts";
