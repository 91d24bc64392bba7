import { checkValue, kind, type OptionCheck, type OptionChecks, optionsWith } from "@clew/options";
import { type Environment, readCount } from "./environment.ts";
import { optionError } from "./errors.ts";

export interface SpanLimitsOptions {
  /** Attributes of a span. Default: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT, or 128. */
  attributes?: number;
  /** Attributes of an event. Default: OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, or `attributes`. */
  eventAttributes?: number;
  /** Attributes of a link. Default: OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, or `attributes`. */
  linkAttributes?: number;
  /**
   * Characters of a text value, bytes of a binary one; the rest is cut off. Default: OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
   * OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT, or 16_384.
   */
  valueLength?: number;
  /** Events of a span. Default: OTEL_SPAN_EVENT_COUNT_LIMIT, or 128. */
  events?: number;
  /** Links of a span. Default: OTEL_SPAN_LINK_COUNT_LIMIT, or 128. */
  links?: number;
  /** Spans under one local root, itself among them; what is beyond is not made, and the root says how many. Default: 10_000. */
  spans?: number;
}

/** How many attributes one thing may hold, and how long their texts may be. */
export interface AttributeLimits {
  readonly attributes: number;
  readonly valueLength: number;
}

/** How much one span may hold; what is beyond is dropped and counted. */
export interface SpanLimits extends AttributeLimits {
  readonly ofEvents: AttributeLimits;
  readonly ofLinks: AttributeLimits;
  readonly events: number;
  readonly links: number;
  readonly spans: number;
}

/** Characters of a name or a key: no setting of OpenTelemetry's speaks of them, and nothing grows without bound. */
export const maxNameLength = 16_384;

/** OpenTelemetry's word for no limit is Infinity. */
function limitFrom(least: number): OptionCheck {
  return kind(
    `a whole number from ${least}, or Infinity for no limit`,
    (given) => given === Number.POSITIVE_INFINITY || (Number.isInteger(given) && (given as number) >= least),
  );
}

export const spanLimitsChecks: OptionChecks<SpanLimitsOptions> = {
  attributes: limitFrom(0),
  eventAttributes: limitFrom(0),
  linkAttributes: limitFrom(0),
  valueLength: limitFrom(0),
  events: limitFrom(0),
  links: limitFrom(0),
  // The local root is one.
  spans: limitFrom(1),
};

/** @throws CLEW_TRACE_OPTION */
export function resolveSpanLimits(options: SpanLimitsOptions = {}, env: Environment = {}): SpanLimits {
  checkValue("limits", options, optionsWith(spanLimitsChecks), optionError);
  const read = (name: string, fallback: number): number | undefined => readCount(env, name, 0, fallback);
  const attributes =
    options.attributes ??
    read("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", 128) ??
    read("OTEL_ATTRIBUTE_COUNT_LIMIT", 128) ??
    128;
  const valueLength =
    options.valueLength ??
    read("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 16_384) ??
    read("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 16_384) ??
    16_384;
  const ofEvents = options.eventAttributes ?? read("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", attributes) ?? attributes;
  const ofLinks = options.linkAttributes ?? read("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", attributes) ?? attributes;
  return {
    attributes,
    valueLength,
    ofEvents: { attributes: ofEvents, valueLength },
    ofLinks: { attributes: ofLinks, valueLength },
    events: options.events ?? read("OTEL_SPAN_EVENT_COUNT_LIMIT", 128) ?? 128,
    links: options.links ?? read("OTEL_SPAN_LINK_COUNT_LIMIT", 128) ?? 128,
    spans: options.spans ?? 10_000,
  };
}
