import { checkOptionNames, type OptionNames } from "./check-options.ts";
import { type Environment, readCount } from "./environment.ts";
import { optionErrors } from "./errors.ts";

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

const optionNames: OptionNames<SpanLimitsOptions> = {
  attributes: true,
  eventAttributes: true,
  linkAttributes: true,
  valueLength: true,
  events: true,
  links: true,
  spans: true,
};

export function resolveSpanLimits(options: SpanLimitsOptions = {}, env: Environment = {}): SpanLimits {
  checkOptionNames("limits", options, optionNames, optionErrors);
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
