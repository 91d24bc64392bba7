import { readFileSync } from "node:fs";

export interface CpuLoadOptions {
  /** The CPU time that was used so far, in milliseconds. Default: what this process used. */
  usedMs?: () => number;
  /** How much CPU there is, in cores. Default: one, or the container's quota where that is less. */
  cores?: number;
  /** The clock, in milliseconds. Default: `performance.now()`. */
  now?: () => number;
}

const sampleMs = 500;
const decay = 0.95;

/**
 * How busy this process is, from 0 to 1000: a moving average of samples of half a second,
 *
 *     load = load * 0.95 + sample * 0.05
 *
 * One core is all that JavaScript can use of a process, so one busy core is 1000 on a machine of any size. There is no timer:
 * who asks brings it up to date, and a pause of many samples is that many samples of its average.
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

  /** The load at this moment, which is the clock's. */
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

/** How many cores the container may use, by cgroup v2's `cpu.max`; undefined without a limit, or where there is no such file. */
export function readCgroupQuota(root = "/sys/fs/cgroup"): number | undefined {
  try {
    // Inside a container the namespace shows its own group at the root.
    const [quota, period] = readFileSync(`${root}/cpu.max`, "utf8").trim().split(" ");
    const cores = Number(quota) / Number(period);
    return cores > 0 ? cores : undefined;
  } catch {
    return undefined;
  }
}
