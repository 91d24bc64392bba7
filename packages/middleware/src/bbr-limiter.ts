import { aFunction, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import { CpuLoad } from "./cpu-load.ts";
import { optionError } from "./errors.ts";
import type { Limiter } from "./limiter.ts";
import { RollingWindow, windowChecks } from "./rolling-window.ts";

export interface BbrLimiterOptions {
  /** The length of the window over which calls are measured, in milliseconds. Default: 10_000. */
  windowMs?: number;
  /** The number of buckets in the window. Default: 100. */
  buckets?: number;
  /** The CPU load from which calls may be refused, from 0 to 1000. Default: 800. */
  cpuThreshold?: number;
  /** Returns the CPU load of this process at this moment of the clock, from 0 to 1000. Default: {@link CpuLoad}. */
  cpu?: (now: number) => number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

/**
 * How long the limit stays in force after the first refusal, in milliseconds, even when the load falls below the
 * threshold.
 */
const coolDownMs = 1000;

/**
 * Limits calls as BBR limits packets (Cardwell et al., ACM Queue 2016). The number of calls that a server can handle at
 * once is its best throughput times its best latency (Little's law). Over the complete buckets of the window
 *
 *     maxInFlight = floor(maxPass * minRtMs * bucketsPerSecond / 1000)
 *
 * where maxPass is the largest number of calls that ended in one bucket, and minRtMs is the smallest average latency of a
 * bucket; both are at least 1. While the CPU load is at or above the threshold, calls beyond maxInFlight are refused.
 */
export class BbrLimiter implements Limiter {
  readonly #cpu: (now: number) => number;
  readonly #cpuThreshold: number;
  readonly #now: () => number;
  // Whether the clock is `performance.now()`, on which callers report their times.
  readonly #isCallersClock: boolean;
  /** One number for each call that ended: its latency in milliseconds. */
  readonly #ended: RollingWindow;
  #inFlight = 0;
  #droppedAt: number | undefined;
  #maxInFlight = 1;
  #computedAt = -1;

  /** @throws CLEW_MIDDLEWARE_OPTION */
  constructor(options: BbrLimiterOptions = {}) {
    const { windowMs, buckets, cpuThreshold, cpu, now } = resolveBbrLimiterOptions(options);
    this.#cpu = cpu;
    this.#cpuThreshold = cpuThreshold;
    this.#now = now;
    this.#isCallersClock = options.now === undefined;
    this.#ended = new RollingWindow({ windowMs, buckets, now });
  }

  /** The number of accepted calls that are not over. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The number of calls that may be in flight under load. It changes when a bucket is complete. */
  get maxInFlight(): number {
    const { tick } = this.#ended;
    if (tick !== this.#computedAt) {
      this.#computedAt = tick;
      this.#maxInFlight = this.#compute();
    }
    return this.#maxInFlight;
  }

  allow(toldMs?: number): ((endMs?: number) => void) | undefined {
    const startMs = this.#read(toldMs);
    if (this.#mustDrop(startMs)) return undefined;
    this.#inFlight++;
    return (toldEndMs) => {
      this.#inFlight--;
      const endMs = this.#read(toldEndMs);
      this.#ended.add(endMs - startMs, endMs);
    };
  }

  #read(toldMs: number | undefined): number {
    return toldMs !== undefined && this.#isCallersClock ? toldMs : this.#now();
  }

  #mustDrop(now: number): boolean {
    const isLoaded = this.#cpu(now) >= this.#cpuThreshold;
    if (!isLoaded) {
      if (this.#droppedAt === undefined) return false;
      if (now - this.#droppedAt > coolDownMs) {
        this.#droppedAt = undefined;
        return false;
      }
    }
    const drops = this.#inFlight > 1 && this.#inFlight > this.maxInFlight;
    if (drops && isLoaded) this.#droppedAt ??= now;
    return drops;
  }

  #compute(): number {
    let maxPass = 1;
    let minRtMs = Number.POSITIVE_INFINITY;
    this.#ended.forEachComplete((count, sum) => {
      if (count === 0) return;
      maxPass = Math.max(maxPass, count);
      minRtMs = Math.min(minRtMs, sum / count);
    });
    // Rounded to whole milliseconds, as in Kratos: calls arrive in batches, one batch per turn of the event loop. With a
    // latency of 50 us, the limit would refuse the second call of a batch.
    minRtMs = minRtMs === Number.POSITIVE_INFINITY ? 1 : Math.max(1, Math.ceil(minRtMs));
    return Math.floor((maxPass * minRtMs * (1000 / this.#ended.bucketMs)) / 1000);
  }
}

const optionChecks: OptionChecks<BbrLimiterOptions> = {
  ...windowChecks,
  cpuThreshold: numberFrom(0, 1000),
  cpu: aFunction,
  now: aFunction,
};

function resolveBbrLimiterOptions(options: BbrLimiterOptions): Required<BbrLimiterOptions> {
  checkOptions("BbrLimiter", options, optionChecks, optionError);
  const now = options.now ?? performance.now.bind(performance);
  const load = options.cpu === undefined ? new CpuLoad({ now }) : undefined;
  return {
    windowMs: options.windowMs ?? 10_000,
    buckets: options.buckets ?? 100,
    cpuThreshold: options.cpuThreshold ?? 800,
    cpu: options.cpu ?? ((at) => load!.read(at)),
    now,
  };
}
