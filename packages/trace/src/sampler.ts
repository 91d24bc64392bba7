import { type SpanContext, type SpanKind, TraceFlags } from "@opentelemetry/api";
import { rateInvalid, ratioInvalid } from "./errors.ts";
import { isAboveThreshold, toThreshold } from "./probability.ts";
import { isSamplingDeferred } from "./remote-context.ts";

/** Decides, before a span is made, whether it is. */
export interface Sampler {
  /**
   * Whether to record a span. `parent` is undefined for the root of a trace. `attributes` are those given at the start, as the
   * user gave them. It must not throw; if it does, the span is not recorded.
   */
  shouldSample(
    parent: SpanContext | undefined,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Readonly<Record<string, unknown>> | undefined,
  ): boolean;
  /**
   * With what probability the span just sampled was: the threshold that goes on in `tracestate` as `ot=th:` (OpenTelemetry,
   * TraceState: Probability Sampling). "" when nobody knows it, undefined when the decision was the parent's. Default: undefined.
   */
  thresholdOf?(
    parent: SpanContext | undefined,
    name: string,
    kind: SpanKind,
    attributes: Readonly<Record<string, unknown>> | undefined,
  ): string | undefined;
  /** Name and settings, for people. */
  toString(): string;
}

/** Records every span. */
export const alwaysOn: Sampler = { shouldSample: () => true, toString: () => "alwaysOn" };

/** Records none. */
export const alwaysOff: Sampler = { shouldSample: () => false, toString: () => "alwaysOff" };

/**
 * Records this share of all traces, from 0 to 1, and every process decides the same for the same trace: the last 56 bits of a
 * trace id are random (W3C Trace Context level 2, section 3.2.2.3), and those at or above the threshold (1 - ratio) * 2^56 are
 * sampled (OpenTelemetry, TraceState: Probability Sampling).
 */
export function traceIdRatio(ratio: number): Sampler {
  if (typeof ratio !== "number" || !(ratio >= 0 && ratio <= 1)) throw ratioInvalid(ratio);
  const threshold = toThreshold(ratio);
  return {
    shouldSample: (parent, traceId) => isAboveThreshold(threshold, traceId, parent),
    thresholdOf: () => threshold.text,
    toString: () => `traceIdRatio(${ratio})`,
  };
}

/**
 * Does as the parent did; asks `root` for spans without one, and where the caller left the decision to us. Default of `root`:
 * {@link alwaysOn}.
 */
export function parentBased(root: Sampler = alwaysOn): Sampler {
  const isOurs = (parent: SpanContext | undefined): boolean => parent === undefined || isSamplingDeferred(parent);
  return {
    shouldSample(parent, traceId, name, kind, attributes) {
      if (parent !== undefined && !isSamplingDeferred(parent)) return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
      return root.shouldSample(parent, traceId, name, kind, attributes);
    },
    // Absent where it never has anything to say: tracers then do not ask.
    ...(root.thresholdOf !== undefined && {
      thresholdOf: (parent, name, kind, attributes) =>
        isOurs(parent) ? root.thresholdOf!(parent, name, kind, attributes) : undefined,
    }),
    toString: () => `parentBased(${root})`,
  };
}

/** Milliseconds of a clock that never goes back. */
export type Clock = () => number;

/**
 * Records so many spans a second, and as many at once after a quiet second: a token bucket. It decides for each span it is asked
 * about; inside of {@link parentBased} that is each trace.
 */
export function perSecond(rate: number, now: Clock = () => performance.now()): Sampler {
  if (!(rate > 0 && Number.isFinite(rate))) throw rateInvalid(rate);
  const size = Math.max(1, rate);
  let tokens = size;
  let filledAt = now();
  return {
    shouldSample() {
      const at = now();
      tokens = Math.min(size, tokens + ((at - filledAt) * rate) / 1000);
      filledAt = at;
      if (tokens < 1) return false;
      tokens--;
      return true;
    },
    // How probable that was is not known.
    thresholdOf: () => "",
    toString: () => `perSecond(${rate})`,
  };
}

/** Records the first `count` of every 3 seconds, as SkyWalking's agents do (`agent.sample_n_per_3_secs`); all when it is not above 0. */
export function perThreeSeconds(count: number, now: Clock = () => performance.now()): Sampler {
  if (!Number.isInteger(count)) throw rateInvalid(count);
  let window = Number.NEGATIVE_INFINITY;
  let taken = 0;
  return {
    shouldSample() {
      if (count <= 0) return true;
      const at = now();
      if (at - window >= 3000) {
        window = at;
        taken = 0;
      }
      return taken++ < count;
    },
    thresholdOf: () => "",
    toString: () => `perThreeSeconds(${count})`,
  };
}

/** What a span must be for a rule to hold; all that is given must be so. */
export interface SamplingRule {
  /** The whole name, or a pattern in it; a text that ends in `*` is a prefix. Default: any. */
  name?: string | RegExp;
  /** Default: any. */
  kind?: SpanKind;
  /** Attributes that the span starts with, each equal as text or matching. Default: any. */
  attributes?: Readonly<Record<string, string | number | boolean | RegExp>>;
  /** Decides for those spans. */
  sampler: Sampler;
}

/** Asks the sampler of the first rule that holds, and `otherwise` when none does. Default of `otherwise`: {@link alwaysOn}. */
export function byRules(rules: readonly SamplingRule[], otherwise: Sampler = alwaysOn): Sampler {
  const compiled = rules.map(compileRule);
  const choose: Choose = (name, kind, attributes) => {
    for (const rule of compiled) if (rule.holds(name, kind, attributes)) return rule.sampler;
    return otherwise;
  };
  return {
    shouldSample: (parent, traceId, name, kind, attributes) =>
      choose(name, kind, attributes).shouldSample(parent, traceId, name, kind, attributes),
    thresholdOf(parent, name, kind, attributes) {
      const chosen = choose(name, kind, attributes);
      return chosen.thresholdOf?.(parent, name, kind, attributes);
    },
    toString: () => `byRules(${[...rules.map((rule) => rule.sampler), otherwise].join(", ")})`,
  };
}

type Given = Readonly<Record<string, unknown>> | undefined;
type Choose = (name: string, kind: SpanKind, attributes: Given) => Sampler;

interface CompiledRule {
  readonly sampler: Sampler;
  holds(name: string, kind: SpanKind, attributes: Given): boolean;
}

function compileRule({ name, kind, attributes, sampler }: SamplingRule): CompiledRule {
  const prefix = typeof name === "string" && name.endsWith("*") ? name.slice(0, -1) : undefined;
  const wanted = Object.entries(attributes ?? {});
  const isNamed = (given: string): boolean =>
    name === undefined ||
    (prefix !== undefined
      ? given.startsWith(prefix)
      : typeof name === "string"
        ? given === name
        : matches(name, given));
  return {
    sampler,
    holds(givenName, givenKind, givenAttributes) {
      if ((kind !== undefined && givenKind !== kind) || !isNamed(givenName)) return false;
      for (const [key, value] of wanted) {
        const given = givenAttributes?.[key];
        if (given === undefined || given === null) return false;
        if (value instanceof RegExp ? !matches(value, String(given)) : String(given) !== String(value)) return false;
      }
      return true;
    },
  };
}

/** Without the memory of patterns that have the flag `g` or `y`. */
function matches(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0;
  return pattern.test(text);
}
