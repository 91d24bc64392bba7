import { SpanKind } from "@opentelemetry/api";
import { type Environment, warnOfVariable } from "./environment.ts";
import { rulesInvalid } from "./errors.ts";
import {
  alwaysOff,
  alwaysOn,
  byRules,
  parentBased,
  perSecond,
  perThreeSeconds,
  type Sampler,
  type SamplingRule,
  traceIdRatio,
} from "./sampler.ts";

const samplerNames =
  "always_on, always_off, traceidratio, ratelimited, rules, and each of them after parentbased_ (such as parentbased_always_on)";

/**
 * Creates the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name: one of OpenTelemetry's, `ratelimited` (the argument
 * is traces per second) or `rules` (the argument is {@link parseSampler}'s). `parentBased(alwaysOn)` if they name no known one: a
 * typing error causes one warning, and does not stop an app.
 */
export function samplerFromEnv(env: Environment = process.env): Sampler {
  const name = env.OTEL_TRACES_SAMPLER?.trim().toLowerCase();
  if (!name) return parentBased(alwaysOn);
  const isParentBased = name.startsWith("parentbased_");
  const sampler = samplerOfName(isParentBased ? name.slice("parentbased_".length) : name, env.OTEL_TRACES_SAMPLER_ARG);
  if (sampler === undefined) {
    warnOfVariable("OTEL_TRACES_SAMPLER", name, samplerNames, "parentbased_always_on");
    return parentBased(alwaysOn);
  }
  return isParentBased ? parentBased(sampler) : sampler;
}

function samplerOfName(name: string, argument: string | undefined): Sampler | undefined {
  switch (name) {
    case "always_on":
      return alwaysOn;
    case "always_off":
      return alwaysOff;
    case "traceidratio":
      return traceIdRatio(argumentOf(argument, 1, "a number from 0 to 1", (given) => given >= 0 && given <= 1));
    case "ratelimited":
      return perSecond(argumentOf(argument, 100, "a number of traces a second above 0", (given) => given > 0));
    case "rules": {
      try {
        return parseSampler(argument ?? "");
      } catch (error) {
        warnOfVariable("OTEL_TRACES_SAMPLER_ARG", argument ?? "", (error as Error).message, "always_on");
        return alwaysOn;
      }
    }
    default:
      return undefined;
  }
}

function argumentOf(
  text: string | undefined,
  held: number,
  accepted: string,
  isGood: (given: number) => boolean,
): number {
  if (text === undefined || text.trim() === "") return held;
  const given = Number(text);
  if (Number.isFinite(given) && isGood(given)) return given;
  warnOfVariable("OTEL_TRACES_SAMPLER_ARG", text, accepted, String(held));
  return held;
}

/**
 * Parses sampling rules. The first rule that applies decides:
 *
 *     GET /health*=off; kind:server,@tenant:acme=on; /shop.Orders/*=10/s; 0.1
 *
 * A rule consists of conditions, `=`, and a sampler: `on`, `off`, a ratio, `10/s`, or SkyWalking's `5/3s`. A condition is a name (with
 * `*` at its end for a prefix), `kind:` and a kind, or `@` and an attribute with its value; several are comma-separated. A sampler
 * alone, at the end, decides when no rule applies; default `on`. Throws an error that names valid input if the text is invalid.
 */
export function parseSampler(text: string): Sampler {
  const rules: SamplingRule[] = [];
  let otherwise: Sampler | undefined;
  for (const part of text.split(";")) {
    const rule = part.trim();
    if (rule === "") continue;
    if (otherwise !== undefined) throw rulesInvalid(rule, "nothing comes after the sampler that stands alone");
    const equals = rule.lastIndexOf("=");
    if (equals === -1) otherwise = parseDecision(rule);
    else rules.push({ ...parseMatch(rule.slice(0, equals)), sampler: parseDecision(rule.slice(equals + 1).trim()) });
  }
  if (rules.length === 0) return otherwise ?? alwaysOn;
  return byRules(rules, otherwise);
}

function parseDecision(text: string): Sampler {
  if (text === "on") return alwaysOn;
  if (text === "off") return alwaysOff;
  const rate = /^(\d+(?:\.\d+)?)\/s$/.exec(text)?.[1];
  if (rate !== undefined && Number(rate) > 0) return perSecond(Number(rate));
  const count = /^(\d+)\/3s$/.exec(text)?.[1];
  if (count !== undefined) return perThreeSeconds(Number(count));
  const ratio = Number(text);
  if (text !== "" && ratio >= 0 && ratio <= 1) return traceIdRatio(ratio);
  throw rulesInvalid(text, "on, off, a ratio from 0 to 1, 10/s or 5/3s decide");
}

function parseMatch(text: string): Omit<SamplingRule, "sampler"> {
  const match: { name?: string; kind?: SpanKind; attributes?: Record<string, string> } = {};
  for (const part of text.split(",")) {
    const term = part.trim();
    if (term.startsWith("kind:")) {
      const kind = SpanKind[term.slice(5).toUpperCase() as keyof typeof SpanKind];
      if (kind === undefined) throw rulesInvalid(term, "kinds are internal, server, client, producer, consumer");
      match.kind = kind;
    } else if (term.startsWith("@")) {
      const colon = term.indexOf(":");
      if (colon < 2) throw rulesInvalid(term, "an attribute is @key:value");
      match.attributes = { ...match.attributes, [term.slice(1, colon)]: term.slice(colon + 1) };
    } else if (term !== "" && match.name === undefined) match.name = term;
    else throw rulesInvalid(text, "a rule has one name, and names are not empty");
  }
  return match;
}
