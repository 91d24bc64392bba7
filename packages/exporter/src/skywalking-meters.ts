import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import { Context, run } from "@clew/context";
import type { MetricData, MetricsData, MetricsExporter } from "@clew/metrics";
import { anObject, checkOptions, millisecondsFrom, type OptionChecks } from "@clew/options";
import { type Environment, type FlatAttributes, readCount, readWord, suppressTracing } from "@clew/trace";
import { encodeMeters, type MeterBucket, type MeterData, threadIdentity } from "@clew/trace/skywalking";
import { optionError } from "./errors.ts";
import type { SkyWalkingExporter } from "./skywalking.ts";
import type { Report } from "./skywalking-report.ts";

/**
 * Sends metrics as SkyWalking's meters, over the connection of an exporter: for `startMetrics({ exporter })`. Dots in names become
 * underscores, because the collector's rules do not accept dots.
 */
export class SkyWalkingMetricsExporter implements MetricsExporter {
  readonly #exporter: SkyWalkingExporter;

  constructor(exporter: SkyWalkingExporter) {
    this.#exporter = exporter;
  }

  async export({ scopes }: MetricsData): Promise<boolean> {
    const meters = scopes.flatMap(({ metrics }) => metrics.flatMap(toMeters));
    return meters.length === 0 || (await report(this.#exporter, meters));
  }

  /** Does nothing: the exporter owns the connection. */
  async shutdown(): Promise<void> {}
}

async function report({ upstream, settings }: SkyWalkingExporter, meters: readonly MeterData[]): Promise<boolean> {
  const identity = threadIdentity(settings.identity);
  const message: Report = {
    what: "meters",
    service: "MeterReportService",
    method: "collect",
    messages: () => encodeMeters(meters, identity, Date.now()),
    kafka: (messages) => [messages.meters(meters, identity, Date.now())],
  };
  return (await upstream.send(message)).outcome === "taken";
}

function toMeters(metric: MetricData): MeterData[] {
  const name = metric.name.replaceAll(/[^a-zA-Z0-9_]/g, "_");
  if (metric.type !== "histogram") {
    return metric.points.map(({ attributes, value }) => ({ name, labels: toLabels(attributes), value }));
  }
  return metric.points.map(({ attributes, counts }) => ({
    name,
    labels: toLabels(attributes),
    value: toBuckets(metric.boundaries, counts),
  }));
}

/** SkyWalking names a bucket by its lower bound, OpenTelemetry by its upper bound. */
function toBuckets(boundaries: readonly number[], counts: readonly number[]): MeterBucket[] {
  return counts.map((count, index) => ({
    from: index === 0 ? Number.NEGATIVE_INFINITY : boundaries[index - 1]!,
    count,
  }));
}

function toLabels(attributes: FlatAttributes): string[] {
  return attributes.map((part, index) =>
    index % 2 === 0 ? String(part).replaceAll(/[^a-zA-Z0-9_]/g, "_") : String(part),
  );
}

export interface RuntimeMetersOptions {
  /**
   * The time between two reports, in milliseconds. Default: SW_AGENT_NODEJS_RUNTIME_METRICS_REPORT_PERIOD or its earlier names, or
   * Go's SW_AGENT_METER_COLLECT_INTERVAL (seconds), or 20_000.
   */
  periodMs?: number;
  /** The environment that the variables are read from. Default: process.env. */
  env?: Environment;
}

// Node's agent has renamed its variables twice, and still reads the old names.
const runtimeMetersVariables = ["NODEJS_RUNTIME_METRICS", "RUNTIME_METRICS", "NVM_METRICS", "NVM_JVM"].map(
  (name) => `SW_AGENT_${name}_REPORT`,
);

/** Whether the agents' variables enable measuring the Node runtime. */
export function wantsRuntimeMeters(env: Environment): boolean {
  for (const variable of runtimeMetersVariables) {
    const word = readWord(env, `${variable}ER_ACTIVE`, ["true", "false"], "true");
    if (word !== undefined) return word === "true";
  }
  return true;
}

function resolvePeriodMs(given: number | undefined, env: Environment): number {
  if (given !== undefined) return given;
  for (const variable of runtimeMetersVariables) {
    const ms = readCount(env, `${variable}_PERIOD`, 1, 20_000);
    if (ms !== undefined) return ms;
  }
  return (readCount(env, "SW_AGENT_METER_COLLECT_INTERVAL", 1, 20) ?? 20) * 1000;
}

const optionChecks: OptionChecks<RuntimeMetersOptions> = { periodMs: millisecondsFrom(1), env: anObject };

const untraced = suppressTracing(Context.root);
const mebi = 1024 * 1024;

/**
 * Reports the same meters as SkyWalking's Node agent, under the same names (`instance_nodejs_...`), so that the collector's dashboard
 * for Node has data. It also reports the event loop and the garbage collector, which the agent does not. It does not keep the process
 * alive.
 */
export class RuntimeMeters {
  readonly #exporter: SkyWalkingExporter;
  readonly #loop = monitorEventLoopDelay({ resolution: 20 });
  readonly #observer: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  readonly #pauses = new Map<string, { count: number; ms: number }>();
  #cpu = process.cpuUsage();
  #cpuAtMs = performance.now();
  #utilization = performance.eventLoopUtilization();

  /** @throws CLEW_EXPORTER_OPTION */
  constructor(exporter: SkyWalkingExporter, options: RuntimeMetersOptions = {}) {
    checkOptions("RuntimeMeters", options, optionChecks, optionError);
    const env = options.env ?? process.env;
    const periodMs = resolvePeriodMs(options.periodMs, env);
    this.#exporter = exporter;
    this.#loop.enable();
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { kind } = (entry as unknown as { detail?: { kind?: number } }).detail ?? {};
        const name = pauseNames.get(kind ?? -1) ?? "other";
        const pause = this.#pauses.get(name) ?? { count: 0, ms: 0 };
        this.#pauses.set(name, { count: pause.count + 1, ms: pause.ms + entry.duration });
      }
    });
    this.#observer.observe({ entryTypes: ["gc"] });
    this.#timer = run(untraced, () => setInterval(() => void this.report(), periodMs)).unref();
  }

  /** Sends the current values. Resolves to whether the collector took them. */
  report(): Promise<boolean> {
    return report(this.#exporter, this.read());
  }

  /** Reads the current values; rates cover the time since the last call. */
  read(): MeterData[] {
    const heap = getHeapStatistics();
    const memory = process.memoryUsage();
    const spaces = new Map(getHeapSpaceStatistics().map((space) => [space.space_name, space.space_used_size]));
    const meters: MeterData[] = [];
    const put = (name: string, value: number, labels: readonly string[] = []): void => {
      meters.push({ name: `instance_nodejs_${name}`, labels, value });
    };
    put("process_cpu", this.#readCpu());
    put("heap_used", heap.used_heap_size / mebi);
    put("heap_total", heap.total_heap_size / mebi);
    put("heap_limit", heap.heap_size_limit / mebi);
    put("rss", memory.rss / mebi);
    put("external_memory", memory.external / mebi);
    put("array_buffers", memory.arrayBuffers / mebi);
    put("uptime", process.uptime());
    put("peak_malloced_memory", heap.peak_malloced_memory / mebi);
    put("malloced_memory", heap.malloced_memory / mebi);
    put("old_space_used", (spaces.get("old_space") ?? 0) / mebi);
    put("new_space_used", (spaces.get("new_space") ?? 0) / mebi);
    const utilization = performance.eventLoopUtilization(this.#utilization);
    this.#utilization = performance.eventLoopUtilization();
    put("eventloop_utilization", utilization.utilization);
    if (this.#loop.count > 0) {
      put("eventloop_delay_mean", this.#loop.mean / 1e6);
      put("eventloop_delay_max", this.#loop.max / 1e6);
      for (const percent of [50, 90, 99]) {
        put("eventloop_delay", this.#loop.percentile(percent) / 1e6, ["percentile", `p${percent}`]);
      }
      this.#loop.reset();
    }
    for (const [type, { count, ms }] of this.#pauses) {
      put("gc_count", count, ["type", type]);
      put("gc_time", ms, ["type", type]);
    }
    put("active_resources", process.getActiveResourcesInfo().length);
    return meters;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#observer.disconnect();
    this.#loop.disable();
  }

  /** The CPU use, in percent of one processor. */
  #readCpu(): number {
    const nowMs = performance.now();
    const { user, system } = process.cpuUsage(this.#cpu);
    const percent = (user + system) / 10 / Math.max(1, nowMs - this.#cpuAtMs);
    this.#cpu = process.cpuUsage();
    this.#cpuAtMs = nowMs;
    return percent;
  }
}

const pauseNames: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
]);
