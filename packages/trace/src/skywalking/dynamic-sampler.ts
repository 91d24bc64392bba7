import { anObject, aText, checkOptions, listOf, numberFrom, type OptionChecks, wholeNumberFrom } from "@clew/options";
import { type SpanContext, type SpanKind, TraceFlags } from "@opentelemetry/api";
import { type Environment, warnOfVariable } from "../environment.ts";
import { optionError } from "../errors.ts";
import { isSamplingDeferred } from "../remote-context.ts";
import { alwaysOn, perThreeSeconds, type Sampler, traceIdRatio } from "../sampler.ts";
import { operationOf } from "./operation.ts";

export interface DynamicSamplerOptions {
  /** The share of new traces that is recorded, 0 to 1. Default: SW_AGENT_SAMPLE if it is such a number, as Go's agent reads it, or 1. */
  rate?: number;
  /** New traces in each 3 seconds; -1 for no limit. Default: SW_AGENT_SAMPLE if it is a whole number above 1, as Java's agent reads it, or -1. */
  per3Seconds?: number;
  /** Operations that end so are not traced. Default: SW_AGENT_IGNORE_SUFFIX, or SW_IGNORE_SUFFIX, or the agents' list of images and the like. */
  ignoreSuffixes?: readonly string[];
  /**
   * Operations like these are not traced: `?` is one character, `*` any but a slash, `**` any. Default: SW_AGENT_TRACE_IGNORE_PATH,
   * or SW_TRACE_IGNORE_PATH, or none.
   */
  ignorePaths?: readonly string[];
  /** HTTP requests by these methods are not traced. Default: SW_HTTP_IGNORE_METHOD, or none. */
  ignoreMethods?: readonly string[];
  /** Where the variables are read. Default: process.env. */
  env?: Environment;
}

type DynamicSamplerSettings = Readonly<Required<Omit<DynamicSamplerOptions, "env">>>;

const defaultSuffixes = ".jpg,.jpeg,.js,.css,.png,.bmp,.gif,.ico,.mp3,.mp4,.html,.svg";

export const dynamicSamplerChecks: OptionChecks<DynamicSamplerOptions> = {
  rate: numberFrom(0, 1),
  per3Seconds: wholeNumberFrom(-1),
  ignoreSuffixes: listOf('a list of endings, such as [".css"]', aText),
  ignorePaths: listOf('a list of operations, such as ["/health/**"]', aText),
  ignoreMethods: listOf('a list of methods, such as ["OPTIONS"]', aText),
  env: anObject,
};

/** @throws CLEW_TRACE_OPTION */
export function resolveDynamicSamplerOptions(options: DynamicSamplerOptions = {}): DynamicSamplerSettings {
  checkOptions("DynamicSampler", options, dynamicSamplerChecks, optionError);
  const env = options.env ?? process.env;
  const sample = readSample(env);
  return {
    rate: options.rate ?? (sample !== undefined && sample >= 0 && sample <= 1 ? sample : 1),
    per3Seconds: options.per3Seconds ?? (sample !== undefined && sample > 1 ? sample : -1),
    ignoreSuffixes:
      options.ignoreSuffixes ?? toList(env.SW_AGENT_IGNORE_SUFFIX ?? env.SW_IGNORE_SUFFIX ?? defaultSuffixes),
    ignorePaths: options.ignorePaths ?? toList(env.SW_AGENT_TRACE_IGNORE_PATH ?? env.SW_TRACE_IGNORE_PATH ?? ""),
    ignoreMethods: (options.ignoreMethods ?? toList(env.SW_HTTP_IGNORE_METHOD ?? "")).map((one) => one.toUpperCase()),
  };
}

/** A share for Go's agent; for Java's so many in 3 seconds, -1 for all. */
function readSample(env: Environment): number | undefined {
  const text = env.SW_AGENT_SAMPLE?.trim();
  if (!text) return undefined;
  const sample = Number(text);
  if ((sample >= 0 && sample <= 1) || (Number.isSafeInteger(sample) && sample >= -1)) return sample;
  warnOfVariable(
    "SW_AGENT_SAMPLE",
    text,
    "a number from 0 to 1, a whole number above that in each 3 seconds, -1 for all",
    "1",
  );
  return undefined;
}

function toList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/**
 * Samples as SkyWalking's agents do: what a caller traces is traced; of new traces a share, or so many in each 3 seconds; and
 * operations of some names not at all, nor what is below them. The collector may change all of it while the process runs.
 */
export class DynamicSampler implements Sampler {
  readonly #own: DynamicSamplerSettings;
  #settings: DynamicSamplerSettings;
  #root: Sampler;
  #paths: readonly RegExp[];

  constructor(options?: DynamicSamplerOptions) {
    this.#own = resolveDynamicSamplerOptions(options);
    this.#settings = this.#own;
    this.#root = toRoot(this.#own);
    this.#paths = this.#own.ignorePaths.map(toPattern);
  }

  /** Takes the collector's wishes, as it names them; what is missing, empty or no such value is as it was at the start. */
  configure(wishes: ReadonlyMap<string, string>): void {
    const rate = wishes.get("agent.sample_rate")?.trim();
    const count = wishes.get("agent.sample_n_per_3_secs")?.trim();
    const suffixes = wishes.get("agent.ignore_suffix");
    const paths = wishes.get("agent.trace.ignore_path");
    const settings = {
      rate: rate && Number(rate) >= 0 && Number(rate) <= 1 ? Number(rate) : this.#own.rate,
      per3Seconds: count && Number.isInteger(Number(count)) ? Number(count) : this.#own.per3Seconds,
      ignoreSuffixes: suffixes ? toList(suffixes) : this.#own.ignoreSuffixes,
      ignorePaths: paths ? toList(paths) : this.#own.ignorePaths,
      ignoreMethods: this.#own.ignoreMethods,
    };
    // A limiter that was made anew would have forgotten what it has given.
    const isSame = settings.rate === this.#settings.rate && settings.per3Seconds === this.#settings.per3Seconds;
    if (!isSame) this.#root = toRoot(settings);
    this.#paths = settings.ignorePaths.map(toPattern);
    this.#settings = settings;
  }

  shouldSample(
    parent: SpanContext | undefined,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Readonly<Record<string, unknown>> | undefined,
  ): boolean {
    if (parent !== undefined && parent.isRemote !== true) return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
    if (this.#isIgnored(operationOf(name), attributes)) return false;
    if (parent !== undefined && !isSamplingDeferred(parent)) return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
    return this.#root.shouldSample(parent, traceId, name, kind, attributes);
  }

  toString(): string {
    return `skywalking(${this.#root})`;
  }

  #isIgnored(operation: string, attributes: Readonly<Record<string, unknown>> | undefined): boolean {
    const { ignoreMethods } = this.#settings;
    if (ignoreMethods.length > 0) {
      const told = attributes?.["http.request.method"] ?? attributes?.["http.method"];
      const method = typeof told === "string" ? told : /^([A-Z]+):\//.exec(operation)?.[1];
      if (method !== undefined && ignoreMethods.includes(method)) return true;
    }
    const dot = operation.lastIndexOf(".");
    if (dot !== -1 && this.#settings.ignoreSuffixes.includes(operation.slice(dot))) return true;
    if (this.#paths.length === 0) return false;
    // Patterns are of paths; the agents' operations of HTTP begin with the method.
    const path = /^[A-Z]+:(\/.*)$/s.exec(operation)?.[1] ?? operation;
    return this.#paths.some((pattern) => pattern.test(path) || pattern.test(operation));
  }
}

function toRoot({ rate, per3Seconds }: DynamicSamplerSettings): Sampler {
  if (per3Seconds >= 0) return perThreeSeconds(per3Seconds);
  return rate >= 1 ? alwaysOn : traceIdRatio(rate);
}

/** Ant's patterns: a double star between slashes may be no folder at all. */
function toPattern(text: string): RegExp {
  const source = text.replace(/\/\*\*\/|\*\*|\*|\?|[.+^${}()|[\]\\]/g, (part) => {
    if (part === "/**/") return "/(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    return part === "?" ? "[^/]" : `\\${part}`;
  });
  return new RegExp(`^${source}$`, "s");
}
