// For stores and collectors: reading OTLP.
export {
  type DecodedAttribute,
  type DecodedEvent,
  type DecodedLink,
  type DecodedSpan,
  type DecodedValue,
  decodeRequest,
  decodeSpan,
  decodeSpans,
  type RawBatch,
} from "./decode.ts";
export { encodeJsonRequest } from "./decode-json.ts";
// For library authors: writing OTLP.
export { encodeRequest } from "./encode.ts";
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
export { MalformedError } from "./proto-reader.ts";
export { joinSpans, type RawSpan, sliceSpans } from "./raw-span.ts";
export { decodePartialSuccess, decodeStatusMessage, encodePartialSuccess, type PartialSuccess } from "./response.ts";
export { TraceState } from "./trace-state.ts";
