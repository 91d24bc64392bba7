export { B3Propagator, type B3PropagatorOptions } from "./propagator.ts";

// For library authors.

export { type DecodedSpans, decodeProtobufSpans, decodeSpans } from "./decode.ts";
export { encodeSpans, toZipkinSpan, type ZipkinEndpoint, type ZipkinSpan } from "./encode.ts";
export { parseB3 } from "./propagator.ts";
