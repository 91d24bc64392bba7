import { type SpanContext, type SpanKind, TraceFlags } from "@opentelemetry/api";
import { type Environment, warnOfVariable } from "../environment.ts";
import { isSamplingDeferred } from "../remote-context.ts";
import { alwaysOn, perThreeSeconds, type Sampler, traceIdRatio } from "../sampler.ts";
import { operationOf } from "./operation.ts";

export interface DynamicSamplerOptions {
  /** The share of new traces that is recorded, 0 to 1. Default: SW_AGENT_SAMPLE if it is such a number, or 1. */
  rate?: number;
  /** New traces in each 3 seconds; -1 for no limit. Default: -1. */
  per3Seconds?: number;
  /** Operations that end so are not traced. Default: SW_AGENT_IGNORE_SUFFIX, or SW_IGNORE_SUFFIX, or the agents' list of images and the like. */
  ignoreSuffixes?: readonly string[];
  /**
   * Operations like these are not traced: `?` is one character, `*` any but a slash, `**` any. Default: SW_AGENT_TRACE_IGNORE_PATH,
   * or SW_TRACE_IGNORE_PATH, or none.
   */
  ignorePaths?: readonly string[];
  /** Where the variables are read. Default: process.env. */
  env?: Environment;
}

type DynamicSamplerSettings = Readonly<Required<Omit<DynamicSamplerOptions, "env">>>;

const defaultSuffixes = ".jpg,.jpeg,.js,.css,.png,.bmp,.gif,.ico,.mp3,.mp4,.html,.svg";

export function resolveDynamicSamplerOptions(options: DynamicSamplerOptions = {}): DynamicSamplerSettings {
  const env = options.env ?? process.env;
  return {
    rate: options.rate ?? readRate(env, "SW_AGENT_SAMPLE") ?? 1,
    per3Seconds: options.per3Seconds ?? -1,
    ignoreSuffixes:
      options.ignoreSuffixes ?? toList(env.SW_AGENT_IGNORE_SUFFIX ?? env.SW_IGNORE_SUFFIX ?? defaultSuffixes),
    ignorePaths: options.ignorePaths ?? toList(env.SW_AGENT_TRACE_IGNORE_PATH ?? env.SW_TRACE_IGNORE_PATH ?? ""),
  };
}

function readRate(env: Environment, name: string): number | undefined {
  const text = env[name]?.trim();
  if (!text) return undefined;
  const rate = Number(text);
  if (rate >= 0 && rate <= 1) return rate;
  warnOfVariable(name, text, "a number from 0 to 1", "1");
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
    if (this.#isIgnored(operationOf(name))) return false;
    if (parent !== undefined && !isSamplingDeferred(parent)) return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
    return this.#root.shouldSample(parent, traceId, name, kind, attributes);
  }

  toString(): string {
    return `skywalking(${this.#root})`;
  }

  #isIgnored(operation: string): boolean {
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
