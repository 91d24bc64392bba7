import { checkValue, kind, type OptionCheck, type OptionChecks, optionsWith } from "@clew/options";
import { type Environment, readCount } from "./environment.ts";
import { optionError } from "./errors.ts";

export interface SpanLimitsOptions {
  /** The maximum number of attributes of a span. Default: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT, or 128. */
  attributes?: number;
  /** The maximum number of attributes of an event. Default: OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, or `attributes`. */
  eventAttributes?: number;
  /** The maximum number of attributes of a link. Default: OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, or `attributes`. */
  linkAttributes?: number;
  /**
   * The maximum length of a string value in characters, or of a binary one in bytes; the rest is cut off. Default:
   * OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT, or 16_384.
   */
  valueLength?: number;
  /** The maximum number of events of a span. Default: OTEL_SPAN_EVENT_COUNT_LIMIT, or 128. */
  events?: number;
  /** The maximum number of links of a span. Default: OTEL_SPAN_LINK_COUNT_LIMIT, or 128. */
  links?: number;
  /** The maximum number of spans under one local root, including itself. It counts further ones, which are not created. Default: 10_000. */
  spans?: number;
}

/** The limits on the number of attributes of one span, event or link, and on the length of their values. */
export interface AttributeLimits {
  readonly attributes: number;
  readonly valueLength: number;
}

/** The limits on the contents of one span; everything beyond them is dropped and counted. */
export interface SpanLimits extends AttributeLimits {
  readonly ofEvents: AttributeLimits;
  readonly ofLinks: AttributeLimits;
  readonly events: number;
  readonly links: number;
  readonly spans: number;
}

/** The maximum characters of a name or a key. OpenTelemetry has no setting for them, but they must not grow without bound. */
export const maxNameLength = 16_384;

/** OpenTelemetry uses Infinity for no limit. */
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
  // At least one: the local root.
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
