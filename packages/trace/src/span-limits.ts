export interface SpanLimitsOptions {
  /** Attributes of a span, of an event and of a link. Default: 128. */
  attributes?: number;
  /** Characters of a name, a key or a text value, bytes of a binary one; the rest is cut off. Default: 16_384. */
  valueLength?: number;
  /** Events of a span. Default: 128. */
  events?: number;
  /** Links of a span. Default: 128. */
  links?: number;
}

/** How much one span may hold; what is beyond is dropped and counted. */
export type SpanLimits = Readonly<Required<SpanLimitsOptions>>;

export function resolveSpanLimits(options: SpanLimitsOptions = {}): SpanLimits {
  return {
    attributes: options.attributes ?? 128,
    valueLength: options.valueLength ?? 16_384,
    events: options.events ?? 128,
    links: options.links ?? 128,
  };
}
