import { FIXED32, FIXED64, LENGTH, VARINT } from "../proto-reader.ts";

/** What stands in for `service.name` where a resource has none. */
export const UNKNOWN_SERVICE = "unknown_service";

/** The tag of a field: its number and how it is on the wire. */
export const field = (number: number, wire: number): number => (number << 3) | wire;

// Span, Resource, KeyValue and AnyValue as of OTLP v1.11.
export const SPAN_TRACE_ID: number = field(1, LENGTH);
export const SPAN_ID: number = field(2, LENGTH);
export const SPAN_TRACE_STATE: number = field(3, LENGTH);
export const SPAN_PARENT: number = field(4, LENGTH);
export const SPAN_NAME: number = field(5, LENGTH);
export const SPAN_KIND: number = field(6, VARINT);
export const SPAN_START: number = field(7, FIXED64);
export const SPAN_END: number = field(8, FIXED64);
export const SPAN_ATTRIBUTES: number = field(9, LENGTH);
export const SPAN_EVENTS: number = field(11, LENGTH);
export const SPAN_LINKS: number = field(13, LENGTH);
export const SPAN_STATUS: number = field(15, LENGTH);
export const SPAN_FLAGS: number = field(16, FIXED32);
export const STATUS_MESSAGE: number = field(2, LENGTH);
export const STATUS_CODE: number = field(3, VARINT);
export const ATTRIBUTES_OF_RESOURCE: number = field(1, LENGTH);
export const KEY: number = field(1, LENGTH);
export const VALUE: number = field(2, LENGTH);
export const STRING_VALUE: number = field(1, LENGTH);
