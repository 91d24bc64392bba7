export {
  BaggagePropagator,
  CompositePropagator,
  createPropagator,
  TraceContextPropagator,
  type TraceContextPropagatorOptions,
} from "./propagator.ts";
export { TraceState } from "./trace-state.ts";

// For library authors: writing OTLP, and the headers one by one.

export { encodeRequest, SpanBatch } from "./encode.ts";
export { encodeRequestAsJson } from "./encode-json.ts";
export { formatBaggage, formatTraceparent, parseBaggage, parseTraceparent } from "./propagator.ts";
export { decodePartialSuccess, decodeStatusMessage, encodePartialSuccess, type PartialSuccess } from "./response.ts";

// For stores and collectors: reading OTLP.

export { MalformedError } from "../proto-reader.ts";
export { decodeRequest, type RawBatch } from "./decode.ts";
export { encodeJsonRequest } from "./decode-json.ts";
export {
  type DecodedAttribute,
  type DecodedEvent,
  type DecodedLink,
  type DecodedSpan,
  type DecodedValue,
  decodeSpan,
  decodeSpans,
} from "./decode-span.ts";
export { joinSpans, type RawSpan, sliceSpans } from "./raw-span.ts";
