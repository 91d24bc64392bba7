import { readFileSync } from "node:fs";

export interface CpuLoadOptions {
  /** Returns the CPU time used so far, in milliseconds. Default: that of this process. */
  usedMs?: () => number;
  /** The number of cores available. Default: one, or the container's quota if that is less. */
  cores?: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

const sampleMs = 500;
const decay = 0.95;

/**
 * The CPU load of this process, from 0 to 1000: a moving average of samples of half a second,
 *
 *     load = load * 0.95 + sample * 0.05
 *
 * JavaScript can use only one core of a process, so one busy core is 1000 on a machine of any size. There is no timer:
 * reading the load brings it up to date, and a pause as long as several samples counts as that many samples of its average
 * load.
 */
export class CpuLoad {
  readonly #usedMs: () => number;
  readonly #cores: number;
  readonly #now: () => number;
  #sampledAt: number;
  #sampledUsedMs: number;
  #load = 0;

  constructor(options: CpuLoadOptions = {}) {
    this.#usedMs = options.usedMs ?? processUsedMs;
    this.#cores = options.cores ?? Math.min(1, readCgroupQuota() ?? 1);
    this.#now = options.now ?? performance.now.bind(performance);
    this.#sampledAt = this.#now();
    this.#sampledUsedMs = this.#usedMs();
  }

  /** Returns the load at this moment of the clock. */
  read(at: number = this.#now()): number {
    const passedMs = at - this.#sampledAt;
    if (passedMs < sampleMs) return this.#load;
    const usedMs = this.#usedMs();
    const sample = Math.min(1000, (1000 * (usedMs - this.#sampledUsedMs)) / (passedMs * this.#cores));
    const kept = decay ** Math.floor(passedMs / sampleMs);
    this.#load = this.#load * kept + sample * (1 - kept);
    this.#sampledAt += passedMs;
    this.#sampledUsedMs = usedMs;
    return this.#load;
  }
}

function processUsedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Returns how many cores the container may use, from `cpu.max` of cgroup v2; undefined if there is no limit or no such file. */
export function readCgroupQuota(root = "/sys/fs/cgroup"): number | undefined {
  try {
    // Inside a container the cgroup namespace shows the container's own group as the root.
    const [quota, period] = readFileSync(`${root}/cpu.max`, "utf8").trim().split(" ");
    const cores = Number(quota) / Number(period);
    return cores > 0 ? cores : undefined;
  } catch {
    return undefined;
  }
}
