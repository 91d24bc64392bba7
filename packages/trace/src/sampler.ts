import { type SpanContext, type SpanKind, TraceFlags } from "@opentelemetry/api";
import { rateInvalid, ratioInvalid } from "./errors.ts";
import { isAboveThreshold, toThreshold } from "./probability.ts";
import { isSamplingDeferred } from "./remote-context.ts";

/** Decides whether a span is recorded, before the span is created. */
export interface Sampler {
  /**
   * Returns whether to record a span. `parent` is undefined for the root of a trace. `attributes` are the unchanged attributes that
   * the user gave at the start. It must not throw; if it does, the span is not recorded.
   */
  shouldSample(
    parent: SpanContext | undefined,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Readonly<Record<string, unknown>> | undefined,
  ): boolean;
  /**
   * Returns the probability with which the last span was sampled, as the threshold that is propagated in `tracestate` as `ot=th:`
   * (OpenTelemetry, TraceState: Probability Sampling). "" when it is unknown, undefined when the parent decided. Default: undefined.
   */
  thresholdOf?(
    parent: SpanContext | undefined,
    name: string,
    kind: SpanKind,
    attributes: Readonly<Record<string, unknown>> | undefined,
  ): string | undefined;
  /** Whether it decides without `traceId`, which may then be "" for the root of a trace. Default: false. */
  readonly ignoresTraceId?: boolean;
  /** The name and settings, as readable text. */
  toString(): string;
}

/** Records every span. */
export const alwaysOn: Sampler = { shouldSample: () => true, ignoresTraceId: true, toString: () => "alwaysOn" };

/** Records no spans. */
export const alwaysOff: Sampler = { shouldSample: () => false, ignoresTraceId: true, toString: () => "alwaysOff" };

/**
 * Records this ratio of all traces, from 0 to 1. Every process makes the same decision for the same trace: the last 56 bits of a
 * trace id are random (W3C Trace Context level 2, section 3.2.2.3), and a trace is sampled if they are at or above the threshold
 * (1 - ratio) * 2^56 (OpenTelemetry, TraceState: Probability Sampling).
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
 * Follows the parent's decision. `root` decides for spans without a parent, and when the caller deferred the decision. Default of
 * `root`: {@link alwaysOn}.
 */
export function parentBased(root: Sampler = alwaysOn): Sampler {
  const isOurs = (parent: SpanContext | undefined): boolean => parent === undefined || isSamplingDeferred(parent);
  return {
    shouldSample(parent, traceId, name, kind, attributes) {
      if (parent !== undefined && !isSamplingDeferred(parent)) return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
      return root.shouldSample(parent, traceId, name, kind, attributes);
    },
    // Absent if the root sampler has none, so that tracers do not call it.
    ...(root.thresholdOf !== undefined && {
      thresholdOf: (parent, name, kind, attributes) =>
        isOurs(parent) ? root.thresholdOf!(parent, name, kind, attributes) : undefined,
    }),
    ignoresTraceId: root.ignoresTraceId === true,
    toString: () => `parentBased(${root})`,
  };
}

/** Milliseconds of a monotonic clock. */
export type Clock = () => number;

/**
 * Records up to `rate` spans per second, with bursts of as many after a second without spans: a token bucket. It decides for each span
 * that it receives; inside {@link parentBased} that is one decision per trace.
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
    // The probability is unknown.
    thresholdOf: () => "",
    ignoresTraceId: true,
    toString: () => `perSecond(${rate})`,
  };
}

/** Records the first `count` spans of every 3 seconds, like SkyWalking's agents (`agent.sample_n_per_3_secs`); all if not above 0. */
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
    ignoresTraceId: true,
    toString: () => `perThreeSeconds(${count})`,
  };
}

/** A rule for some spans. It applies to spans that meet all of the given conditions. */
export interface SamplingRule {
  /** The whole name, or a pattern to find in it; a string that ends in `*` is a prefix. Default: any. */
  name?: string | RegExp;
  /** The kind of the span. Default: any. */
  kind?: SpanKind;
  /** Attributes that the span has at its start; each must be equal as a string, or match the pattern. Default: any. */
  attributes?: Readonly<Record<string, string | number | boolean | RegExp>>;
  /** The sampler that decides for these spans. */
  sampler: Sampler;
}

/** Uses the sampler of the first rule that applies, or `otherwise` if none does. Default of `otherwise`: {@link alwaysOn}. */
export function byRules(rules: readonly SamplingRule[], otherwise: Sampler = alwaysOn): Sampler {
  const compiled = rules.map(compileRule);
  const samplers = [...rules.map((rule) => rule.sampler), otherwise];
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
    ignoresTraceId: samplers.every((sampler) => sampler.ignoresTraceId === true),
    toString: () => `byRules(${samplers.join(", ")})`,
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

/** Tests a pattern without the state (`lastIndex`) of the flags `g` and `y`. */
function matches(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0;
  return pattern.test(text);
}
