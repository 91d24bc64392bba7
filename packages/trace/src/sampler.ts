import { type SpanContext, type SpanKind, TraceFlags } from "@opentelemetry/api";
import { ratioInvalid } from "./errors.ts";
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
  // Two halves of 28 bits: no number holds 56 exactly.
  const threshold = Math.round((1 - ratio) * 2 ** 53) * 8;
  const high = Math.floor(threshold / 2 ** 28);
  const low = threshold % 2 ** 28;
  return {
    shouldSample(_parent, traceId) {
      const idHigh = Number.parseInt(traceId.slice(18, 25), 16);
      return idHigh > high || (idHigh === high && Number.parseInt(traceId.slice(25), 16) >= low);
    },
    toString: () => `traceIdRatio(${ratio})`,
  };
}

/**
 * Does as the parent did; asks `root` for spans without one, and where the caller left the decision to us. Default of `root`:
 * {@link alwaysOn}.
 */
export function parentBased(root: Sampler = alwaysOn): Sampler {
  return {
    shouldSample(parent, traceId, name, kind, attributes) {
      if (parent !== undefined && !isSamplingDeferred(parent)) return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
      return root.shouldSample(parent, traceId, name, kind, attributes);
    },
    toString: () => `parentBased(${root})`,
  };
}

/**
 * The sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name. `parentBased(alwaysOn)` when they name none that is
 * known: a typing error there must not stop an app.
 */
export function samplerFromEnv(env: Readonly<Record<string, string | undefined>> = process.env): Sampler {
  const given = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1);
  const ratio = given >= 0 && given <= 1 ? given : 1;
  switch (env.OTEL_TRACES_SAMPLER) {
    case "always_on":
      return alwaysOn;
    case "always_off":
      return alwaysOff;
    case "traceidratio":
      return traceIdRatio(ratio);
    case "parentbased_always_off":
      return parentBased(alwaysOff);
    case "parentbased_traceidratio":
      return parentBased(traceIdRatio(ratio));
    default:
      return parentBased(alwaysOn);
  }
}
