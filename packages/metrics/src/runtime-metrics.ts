import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import { type Attributes, type Meter, type MeterProvider, metrics } from "@opentelemetry/api";

export interface RuntimeMetricsOptions {
  /** The provider of the instruments. Default: the global provider. */
  meterProvider?: MeterProvider;
  /**
   * The resolution with which the delay of the event loop is measured, in milliseconds; each measurement uses a timer. Default:
   * 20.
   */
  resolutionMs?: number;
}

/**
 * Measures Node itself: the event loop's delay and utilization, pauses of the garbage collector by kind, the heap and its spaces,
 * CPU, memory and the resources that keep the process alive. The names are OpenTelemetry's (`nodejs.*`, `v8js.*`, `process.*`).
 * Returns a function that ends it.
 *
 * The cost is a timer each `resolutionMs` and the work of each collection. It does nothing on the path of a request, and does not
 * keep the process alive.
 */
export function runtimeMetrics(options: RuntimeMetricsOptions = {}): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@clew/metrics/runtime");
  const stops = [
    measureEventLoop(meter, options.resolutionMs ?? 20),
    measureGarbageCollection(meter),
    measureHeap(meter),
    measureProcess(meter),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function measureEventLoop(meter: Meter, resolution: number): () => void {
  const histogram = monitorEventLoopDelay({ resolution });
  histogram.enable();
  const delay = (part: string, description: string) =>
    meter.createObservableGauge(`nodejs.eventloop.delay.${part}`, {
      description: `Event loop ${description}, since the last collection.`,
      unit: "s",
    });
  const min = delay("min", "minimum delay");
  const max = delay("max", "maximum delay");
  const mean = delay("mean", "mean delay");
  const deviation = delay("stddev", "standard deviation of the delay");
  const percentiles = [50, 90, 99].map(
    (percent) => [percent, delay(`p${percent}`, `${percent} percentile delay`)] as const,
  );
  const time = meter.createObservableCounter("nodejs.eventloop.time", {
    description: "Cumulative duration of time the event loop has been in each state.",
    unit: "s",
  });
  const utilization = meter.createObservableGauge("nodejs.eventloop.utilization", {
    description: "Event loop utilization, since the last collection.",
    unit: "1",
  });
  const observed = [min, max, mean, deviation, ...percentiles.map(([, gauge]) => gauge), time, utilization];
  let last = performance.eventLoopUtilization();
  const observe: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    if (histogram.count > 0) {
      // The measured value includes the timer's own interval.
      const toSeconds = (nanos: number): number => Math.max(0, nanos / 1e9 - resolution / 1000);
      result.observe(min, toSeconds(histogram.min));
      result.observe(max, toSeconds(histogram.max));
      result.observe(mean, toSeconds(histogram.mean));
      result.observe(deviation, histogram.stddev / 1e9);
      for (const [percent, gauge] of percentiles) result.observe(gauge, toSeconds(histogram.percentile(percent)));
      histogram.reset();
    }
    const now = performance.eventLoopUtilization();
    result.observe(time, now.active / 1000, { "nodejs.eventloop.state": "active" });
    result.observe(time, now.idle / 1000, { "nodejs.eventloop.state": "idle" });
    result.observe(utilization, performance.eventLoopUtilization(now, last).utilization);
    last = now;
  };
  meter.addBatchObservableCallback(observe, observed);
  return () => {
    histogram.disable();
    meter.removeBatchObservableCallback(observe, observed);
  };
}

const collectionKinds = new Map<number, Attributes>(
  [
    [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
    [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
    [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
    [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
  ].map(([kind, name]) => [kind as number, Object.freeze({ "v8js.gc.type": name as string })]),
);

function measureGarbageCollection(meter: Meter): () => void {
  const duration = meter.createHistogram("v8js.gc.duration", {
    description: "Garbage collection duration by kind.",
    unit: "s",
    advice: { explicitBucketBoundaries: [0.001, 0.01, 0.1, 1, 10] },
  });
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as { detail?: { kind?: number } }).detail ?? {};
      const attributes = collectionKinds.get(kind ?? -1);
      if (attributes !== undefined) duration.record(entry.duration / 1000, attributes);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => observer.disconnect();
}

function measureHeap(meter: Meter): () => void {
  const gauge = (name: string, description: string) =>
    meter.createObservableUpDownCounter(name, { description, unit: "By" });
  const limit = gauge("v8js.memory.heap.limit", "Total heap memory size pre-allocated.");
  const used = gauge("v8js.memory.heap.used", "Heap memory size allocated.");
  const size = gauge("v8js.memory.heap.space.size", "Size of a heap space.");
  const available = gauge("v8js.memory.heap.space.available_size", "Heap space available size.");
  const physical = gauge("v8js.memory.heap.space.physical_size", "Committed size of a heap space.");
  const observed = [limit, used, size, available, physical];
  const observe: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    result.observe(limit, getHeapStatistics().heap_size_limit);
    for (const space of getHeapSpaceStatistics()) {
      const attributes = { "v8js.heap.space.name": space.space_name };
      result.observe(used, space.space_used_size, attributes);
      result.observe(size, space.space_size, attributes);
      result.observe(available, space.space_available_size, attributes);
      result.observe(physical, space.physical_space_size, attributes);
    }
  };
  meter.addBatchObservableCallback(observe, observed);
  return () => meter.removeBatchObservableCallback(observe, observed);
}

function measureProcess(meter: Meter): () => void {
  const cpu = meter.createObservableCounter("process.cpu.time", {
    description: "Total CPU seconds by mode.",
    unit: "s",
  });
  const memory = meter.createObservableUpDownCounter("process.memory.usage", {
    description: "The amount of physical memory in use.",
    unit: "By",
  });
  const uptime = meter.createObservableGauge("process.uptime", {
    description: "The time the process has been running.",
    unit: "s",
  });
  const resources = meter.createObservableUpDownCounter("v8js.resource.active", {
    description: "Resources that keep the process alive: sockets, timers, files.",
    unit: "{resource}",
  });
  const observed = [cpu, memory, uptime, resources];
  const observe: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    const { user, system } = process.cpuUsage();
    result.observe(cpu, user / 1e6, { "cpu.mode": "user" });
    result.observe(cpu, system / 1e6, { "cpu.mode": "system" });
    result.observe(memory, process.memoryUsage.rss());
    result.observe(uptime, process.uptime());
    const counts = new Map<string, number>();
    for (const resource of process.getActiveResourcesInfo()) counts.set(resource, (counts.get(resource) ?? 0) + 1);
    for (const [type, count] of counts) result.observe(resources, count, { "v8js.resource.type": type });
  };
  meter.addBatchObservableCallback(observe, observed);
  return () => meter.removeBatchObservableCallback(observe, observed);
}
