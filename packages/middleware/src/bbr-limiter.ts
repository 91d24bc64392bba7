import { aFunction, checkOptions, numberFrom, type OptionChecks } from "@clew/options";
import { CpuLoad } from "./cpu-load.ts";
import { optionError } from "./errors.ts";
import type { Limiter } from "./limiter.ts";
import { RollingWindow, windowChecks } from "./rolling-window.ts";

export interface BbrLimiterOptions {
  /** What is looked back at, in milliseconds. Default: 10_000. */
  windowMs?: number;
  /** Into how many buckets the window is cut. Default: 100. */
  buckets?: number;
  /** From which load on calls may be refused, from 0 to 1000. Default: 800. */
  cpuThreshold?: number;
  /** How busy this process is at this moment of the clock, from 0 to 1000. Default: {@link CpuLoad}. */
  cpu?: (now: number) => number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

/** After the first refusal the limit holds this long, even when the load falls below the threshold. */
const coolDownMs = 1000;

/**
 * Limits calls as BBR limits packets (Cardwell et al., ACM Queue 2016): what a server can hold at once is its best
 * throughput times its best latency (Little's law). Over the complete buckets of the window
 *
 *     maxInFlight = floor(maxPass * minRtMs * bucketsPerSecond / 1000)
 *
 * where maxPass is the most calls that ended in one bucket and minRtMs the least average latency of one, both at least 1.
 * While the CPU is at the threshold or above, a call beyond that is refused.
 */
export class BbrLimiter implements Limiter {
  readonly #cpu: (now: number) => number;
  readonly #cpuThreshold: number;
  readonly #now: () => number;
  // The clock of `performance.now()`, by which callers say when it is.
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

  /** The calls that are taken and not over. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** How many may be in flight under load. It changes when a bucket is complete. */
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
    // Whole milliseconds, as Kratos has it: calls come in batches of one turn of the event loop, and a latency of 50 us would
    // make a second one in the batch too many.
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
