import {
  type Baggage,
  type BaggageEntry,
  baggageEntryMetadataFromString,
  type Context,
  isSpanContextValid,
  propagation,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { noSpanId, noTraceId } from "../ids.ts";
import { textsOf } from "../remote-context.ts";
import { isTracingSuppressed } from "../suppress-tracing.ts";
import { TraceState } from "./trace-state.ts";

const traceparentHeader = "traceparent";
const tracestateHeader = "tracestate";
const baggageHeader = "baggage";

export interface TraceContextPropagatorOptions {
  /** Whether the flag "random" goes out as well, as level 2 has it; see {@link formatTraceparent} for who cannot read it. Default: false. */
  sendsRandomFlag?: boolean;
}

/** Carries a span's context in the headers `traceparent` and `tracestate` (W3C Trace Context level 2). */
export class TraceContextPropagator implements TextMapPropagator {
  readonly #sendsRandomFlag: boolean;

  constructor(options: TraceContextPropagatorOptions = {}) {
    this.#sendsRandomFlag = options.sendsRandomFlag === true;
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const spanContext = trace.getSpanContext(context);
    if (spanContext === undefined || isTracingSuppressed(context) || !isSpanContextValid(spanContext)) return;
    setter.set(carrier, traceparentHeader, formatTraceparent(spanContext, this.#sendsRandomFlag));
    const state = spanContext.traceState?.serialize();
    if (state) setter.set(carrier, tracestateHeader, state);
  }

  /** With the caller's span as the remote parent; the context as it was when there is none, or it makes no sense. */
  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const traceparent = onlyValue(getter.get(carrier, traceparentHeader));
    if (traceparent === undefined) return context;
    const spanContext = parseTraceparent(traceparent);
    if (spanContext === undefined) return context;
    const tracestate = joinValues(getter.get(carrier, tracestateHeader), ",");
    const state = tracestate === undefined ? undefined : TraceState.parse(tracestate);
    if (state !== undefined) spanContext.traceState = state;
    return trace.setSpanContext(context, spanContext);
  }

  fields(): string[] {
    return [traceparentHeader, tracestateHeader];
  }
}

/**
 * `00-<trace id>-<span id>-<flags>`.
 *
 * Of the flags only "sampled" goes out unless `hasRandom`, though level 2 has "random" as well: OpenTelemetry for Go up to 1.37 and beyond takes a
 * version 00 header with flags above 02 for malformed and starts a new trace, so `03` would cut traces in half.
 */
export function formatTraceparent(context: SpanContext, hasRandom = false): string {
  if (hasRandom) return `00-${context.traceId}-${context.spanId}-0${context.traceFlags & 0b11}`;
  return `00-${context.traceId}-${context.spanId}-${(context.traceFlags & TraceFlags.SAMPLED) === 0 ? "00" : "01"}`;
}

const dash = 45;

/** The context that a `traceparent` header tells; undefined when it is malformed. Later versions are read as far as we know them. */
export function parseTraceparent(header: string): SpanContext | undefined {
  if (header.length < 55) return undefined;
  if (header.charCodeAt(2) !== dash || header.charCodeAt(35) !== dash || header.charCodeAt(52) !== dash)
    return undefined;
  if (!isHex(header, 0, 2) || !isHex(header, 3, 35) || !isHex(header, 36, 52) || !isHex(header, 53, 55))
    return undefined;
  if (header.length > 55) {
    // Version 00 ends here; a later one may go on, after a dash.
    if (header.startsWith("00") || header.charCodeAt(55) !== dash) return undefined;
  }
  if (header.startsWith("ff")) return undefined;
  const traceId = header.slice(3, 35);
  const spanId = header.slice(36, 52);
  if (traceId === noTraceId || spanId === noSpanId) return undefined;
  const traceFlags = Number.parseInt(header.slice(53, 55), 16) & 0b11;
  return { traceId, spanId, traceFlags, isRemote: true };
}

/** Lower-case hex digits only: the specification allows no other. */
function isHex(text: string, from: number, to: number): boolean {
  for (let index = from; index < to; index++) {
    const code = text.charCodeAt(index);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}

// W3C Baggage, section 3.3.2: below these limits nothing may be dropped.
const maxBaggageMembers = 64;
const maxBaggageBytes = 8192;
const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const plainValuePattern = /^[\x21\x23\x24\x26-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;
const propertyPattern = /^[\x20\x21\x23-\x2b\x2d-\x5b\x5d-\x7e\t]*$/;

/** Carries the user's own key-value pairs in the header `baggage` (W3C Baggage). */
export class BaggagePropagator implements TextMapPropagator {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const baggage = propagation.getBaggage(context);
    if (baggage === undefined || isTracingSuppressed(context)) return;
    const header = formatBaggage(baggage);
    if (header !== "") setter.set(carrier, baggageHeader, header);
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const header = joinValues(getter.get(carrier, baggageHeader), ",");
    if (header === undefined) return context;
    const baggage = parseBaggage(header);
    return baggage === undefined ? context : propagation.setBaggage(context, baggage);
  }

  fields(): string[] {
    return [baggageHeader];
  }
}

/** The header of a baggage. Entries whose key is no token, and those beyond the limits, are left out. */
export function formatBaggage(baggage: Baggage): string {
  let header = "";
  let count = 0;
  for (const [key, entry] of baggage.getAllEntries()) {
    if (count === maxBaggageMembers) break;
    if (!tokenPattern.test(key)) continue;
    let member = `${key}=${encodeValue(String(entry.value))}`;
    const properties = entry.metadata?.toString() ?? "";
    if (properties !== "" && propertyPattern.test(properties)) member += `;${properties}`;
    if (header.length + (header === "" ? 0 : 1) + member.length > maxBaggageBytes) continue;
    header = header === "" ? member : `${header},${member}`;
    count++;
  }
  return header;
}

/** The baggage of a header; undefined when there is nothing in it. A malformed entry is passed over, the others count. */
export function parseBaggage(header: string): Baggage | undefined {
  const entries: Record<string, BaggageEntry> = Object.create(null) as Record<string, BaggageEntry>;
  let count = 0;
  let length = 0;
  for (const member of header.split(",")) {
    length += member.length + 1;
    if (count === maxBaggageMembers || length > maxBaggageBytes + 1) break;
    const semicolon = member.indexOf(";");
    const pair = semicolon === -1 ? member : member.slice(0, semicolon);
    const equals = pair.indexOf("=");
    const key = pair.slice(0, equals).trim();
    if (equals < 1 || !tokenPattern.test(key)) continue;
    const entry: BaggageEntry = { value: decodeValue(pair.slice(equals + 1).trim()) };
    const properties = semicolon === -1 ? "" : member.slice(semicolon + 1).trim();
    if (properties !== "") entry.metadata = baggageEntryMetadataFromString(properties);
    if (entries[key] === undefined) count++;
    entries[key] = entry;
  }
  return count === 0 ? undefined : propagation.createBaggage(entries);
}

function encodeValue(value: string): string {
  if (plainValuePattern.test(value)) return value;
  let encoded = "";
  for (const byte of Buffer.from(value)) {
    const character = String.fromCharCode(byte);
    encoded += plainValuePattern.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

// Bytes that are no UTF-8 become U+FFFD (section 3.3.1.3), and a percent sign that begins no sequence stays one.
function decodeValue(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    const bytes = Buffer.from(value);
    let length = 0;
    for (let index = 0; index < bytes.length; index++) {
      const escaped = bytes[index] === 37 ? value.slice(index + 1, index + 3) : "";
      if (/^[0-9A-Fa-f]{2}$/.test(escaped) && bytes.length === value.length) {
        bytes[length++] = Number.parseInt(escaped, 16);
        index += 2;
      } else {
        bytes[length++] = bytes[index]!;
      }
    }
    return bytes.toString("utf8", 0, length);
  }
}

/** Lets several propagators work on one carrier, in their order. */
export class CompositePropagator implements TextMapPropagator {
  readonly #propagators: readonly TextMapPropagator[];

  constructor(propagators: readonly TextMapPropagator[]) {
    this.#propagators = propagators;
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    for (const propagator of this.#propagators) propagator.inject(context, carrier, setter);
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    let extracted = context;
    for (const propagator of this.#propagators) extracted = propagator.extract(extracted, carrier, getter);
    return extracted;
  }

  fields(): string[] {
    return [...new Set(this.#propagators.flatMap((propagator) => propagator.fields()))];
  }
}

/** What OpenTelemetry speaks by default: trace context and baggage. */
export function createPropagator(): TextMapPropagator {
  return new CompositePropagator([new TraceContextPropagator(), new BaggagePropagator()]);
}

/** A header that must be there once. */
function onlyValue(value: unknown): string | undefined {
  if (typeof value === "string" || value === undefined) return value;
  const texts = textsOf(value);
  return texts.length === 1 ? texts[0] : undefined;
}

/** A header that may be there several times, as if it were one. */
function joinValues(value: unknown, separator: string): string | undefined {
  if (typeof value === "string" || value === undefined) return value;
  const texts = textsOf(value);
  return texts.length === 0 ? undefined : texts.join(separator);
}
