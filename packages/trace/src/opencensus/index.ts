export { GrpcTraceBinPropagator } from "./propagator.ts";
export { OpenCensusSpan, type OpenCensusSpanOptions, OpenCensusTracer } from "./tracer.ts";

// For library authors.

export { formatGrpcTraceBin, parseGrpcTraceBin } from "./propagator.ts";
