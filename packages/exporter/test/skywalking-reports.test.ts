import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  DynamicConfiguration,
  RuntimeMeters,
  SkyWalkingExporter,
  SkyWalkingLogs,
  SkyWalkingMetricsExporter,
  TraceProfiler,
} from "@clew/exporter";
import { createLogger } from "@clew/log";
import { MeterProvider } from "@clew/metrics";
import { composeProcessors, TracerProvider, withSpan } from "@clew/trace";
import { DynamicSampler, formatLogContext, SegmentProcessor } from "@clew/trace/skywalking";
import { SpanKind } from "@opentelemetry/api";
import { until } from "../../http2/test/until.ts";
import { cleanUps } from "./clean-up.ts";
import { type Collector, type CollectorOptions, startCollector } from "./skywalking-collector.ts";

const identity = { service: "shop", instance: "shop-1", env: {} };

async function start(options?: CollectorOptions): Promise<{ collector: Collector; exporter: SkyWalkingExporter }> {
  const collector = await startCollector(options);
  cleanUps.push(() => collector.stop());
  const exporter = new SkyWalkingExporter({ ...identity, backends: [collector.address] });
  cleanUps.push(() => exporter.shutdown());
  return { collector, exporter };
}

function register(processor: SegmentProcessor, ...others: TraceProfiler[]): void {
  const provider = new TracerProvider({ processor: composeProcessors(...others, processor), ids: processor, env: {} });
  provider.register();
  cleanUps.push(() => provider.unregister());
}

test("log lines arrive with segment, span, endpoint and tags; outside of a trace without a context", async () => {
  const { collector, exporter } = await start();
  const processor = new SegmentProcessor(exporter, identity);
  register(processor);
  const logs = new SkyWalkingLogs(exporter, { labelKeys: ["user"], env: {} });
  const lines: string[] = [];
  const logger = createLogger({
    level: "debug",
    destination: { write: (line) => lines.push(line) },
    also: [logs.write],
  });
  logger.info("outside");
  let text = "";
  await withSpan("GET /orders", { kind: SpanKind.SERVER }, async () => {
    await withSpan("below", async () => {
      text = formatLogContext(identity);
      logger.error("inside", { user: "ann", err: new Error("broken") });
    });
  });
  await logs.shutdown();
  await processor.forceFlush();
  const [outside, inside] = collector.logs;
  assert.equal(outside!.traceContext, undefined);
  assert.equal(outside!.endpoint, "");
  const [segment] = collector.segments;
  assert.deepEqual(
    [inside!.service, inside!.serviceInstance, inside!.endpoint, inside!.layer],
    ["shop", "shop-1", "GET:/orders", "GENERAL"],
  );
  assert.deepEqual(
    [inside!.traceContext!.traceId, inside!.traceContext!.traceSegmentId, inside!.traceContext!.spanId],
    [segment!.traceId, segment!.segmentId, 1],
  );
  assert.equal(text, `[shop,shop-1,${segment!.traceId},${segment!.segmentId},1]`);
  assert.equal(inside!.body?.content.case === "text" && inside!.body.content.value.text, "inside");
  const tags = new Map(inside!.tags!.data.map(({ key, value }) => [key, value]));
  assert.equal(tags.get("LEVEL"), "ERROR");
  assert.equal(tags.get("user"), "ann");
  assert.match(tags.get("exception")!, /broken/);
  assert.equal(logs.stats().exported, 2);
});

test("lines that wait go out with the exporter, before its connection closes", async () => {
  const { collector, exporter } = await start();
  const logs = new SkyWalkingLogs(exporter, { delayMs: 60_000, env: {} });
  const logger = createLogger({ level: "info", destination: { write() {} }, also: [logs.write] });
  logger.info("the last");
  await exporter.shutdown();
  assert.deepEqual(
    collector.logs.map(({ body }) => body?.content.case === "text" && body.content.value.text),
    ["the last"],
  );
  logger.info("too late");
  assert.deepEqual([logs.stats().exported, logs.stats().late], [1, 1]);
  await logs.shutdown();
});

test("metrics become meters: names the collector's rules take, buckets named by where they begin", async () => {
  const { collector, exporter } = await start();
  const provider = new MeterProvider({ env: {} });
  const meter = provider.getMeter("test");
  meter.createCounter("orders.total").add(3, { "http.route": "/a" });
  meter.createHistogram("took", { advice: { explicitBucketBoundaries: [1, 10] } }).record(5);
  assert.equal(await new SkyWalkingMetricsExporter(exporter).export(await provider.collect()), true);
  const meters = collector.meters[0]!;
  assert.equal(meters[0]!.service, "shop");
  assert.ok(meters[0]!.timestamp > 0n);
  assert.equal(meters[1]!.service, "");
  const [counter, histogram] = meters;
  assert.equal(counter!.metric.case, "singleValue");
  if (counter!.metric.case === "singleValue") {
    const { name, labels, value } = counter!.metric.value;
    assert.deepEqual([name, labels[0]!.name, labels[0]!.value, value], ["orders_total", "http_route", "/a", 3]);
  }
  if (histogram!.metric.case !== "histogram") assert.fail("no histogram");
  assert.deepEqual(
    histogram!.metric.value.values.map(({ bucket, count, isNegativeInfinity }) => [
      bucket,
      Number(count),
      isNegativeInfinity,
    ]),
    [
      [0, 0, true],
      [1, 1, false],
      [10, 0, false],
    ],
  );
});

test("Node's own meters have the names of the agent's, and those it lacks", async () => {
  const { collector, exporter } = await start();
  const meters = new RuntimeMeters(exporter, { periodMs: 20, env: {} });
  cleanUps.push(() => meters.stop());
  await until(() => collector.meters.length > 1, "two reports");
  const names = collector.meters.flat().map(({ metric }) => metric.value?.name);
  for (const name of [
    "process_cpu",
    "heap_used",
    "heap_limit",
    "rss",
    "uptime",
    "old_space_used",
    "eventloop_utilization",
  ]) {
    assert.ok(names.includes(`instance_nodejs_${name}`), name);
  }
});

test("the collector changes sampling while the process runs, and takes it back", async () => {
  let reply: Record<string, string> = { "agent.sample_rate": "0" };
  let uuid = "u1";
  const asked: string[] = [];
  const { exporter } = await start({
    configure(request) {
      asked.push(`${request.service} ${request.uuid}`);
      const args = Object.entries({ SerialNumber: "1", UUID: uuid, ...reply }).map(([key, value]) => ({ key, value }));
      return {
        commands: [
          { command: "ConfigurationDiscoveryCommand", args },
          { command: "Other", args: [] },
        ],
      };
    },
  });
  const sampler = new DynamicSampler({ env: {} });
  const configuration = new DynamicConfiguration(exporter, [sampler], { intervalMs: 0, env: {} });
  const isSampled = (): boolean => sampler.shouldSample(undefined, `${"0".repeat(31)}1`, "a", 1, undefined);
  assert.equal(await configuration.fetch(), true);
  assert.equal(isSampled(), false);
  assert.equal(await configuration.fetch(), false);
  reply = {};
  uuid = "u2";
  assert.equal(await configuration.fetch(), true);
  assert.equal(isSampled(), true);
  assert.deepEqual(asked, ["shop ", "shop u1", "shop u1"]);
});

test("a collector without dynamic configuration changes nothing", async () => {
  const { exporter } = await start({ services: ["trace"] });
  const configuration = new DynamicConfiguration(exporter, [], { intervalMs: 0, env: {} });
  assert.equal(await configuration.fetch(), false);
});

test("a profiling task brings stacks of the slow request, and its end", { timeout: 300_000 }, async () => {
  const task = {
    TaskId: "task-1",
    EndpointName: "GET:/slow",
    Duration: "1",
    MinDurationThreshold: "20",
    DumpPeriod: "10",
    MaxSamplingCount: "1",
    StartTime: String(Date.now()),
    CreateTime: "77",
    SerialNumber: "1",
  };
  const args = Object.entries(task).map(([key, value]) => ({ key, value }));
  const asked: bigint[] = [];
  const { collector, exporter } = await start({
    profile(lastCommandTime) {
      asked.push(lastCommandTime);
      return { commands: [{ command: "ProfileTaskQuery", args }] };
    },
  });
  const processor = new SegmentProcessor(exporter, identity);
  const profiler = new TraceProfiler(exporter, { intervalMs: 60_000, env: {} });
  register(processor, profiler);
  await profiler.fetch();
  await profiler.fetch();
  assert.deepEqual(asked, [0n, 77n]);
  await withSpan("GET /other", { kind: SpanKind.SERVER }, async () => burn(30));
  await withSpan("GET /slow", { kind: SpanKind.SERVER }, async () => burn(300));
  await profiler.forceFlush();
  await processor.forceFlush();
  assert.deepEqual(collector.finishedTasks, ["task-1"]);
  const slow = collector.segments.find(({ spans }) => spans[0]!.operation === "GET:/slow");
  assert.ok(collector.snapshots.length > 3);
  assert.ok(
    collector.snapshots.every(
      ({ taskId, traceSegmentId }) => taskId === "task-1" && traceSegmentId === slow!.segmentId,
    ),
  );
  assert.deepEqual(
    collector.snapshots.map(({ sequence }) => sequence),
    collector.snapshots.map((_, index) => index),
  );
  assert.ok(collector.snapshots.some(({ stack }) => stack!.codeSignatures.some((frame) => frame.includes(".burn:"))));
  await profiler.shutdown();
});

test("a profiling task looks at nothing before its time", async () => {
  const task = {
    TaskId: "task-1",
    EndpointName: "GET:/slow",
    Duration: "1",
    MinDurationThreshold: "0",
    DumpPeriod: "10",
    MaxSamplingCount: "1",
    StartTime: String(Date.now() + 3_600_000),
    CreateTime: "77",
  };
  const args = Object.entries(task).map(([key, value]) => ({ key, value }));
  const { collector, exporter } = await start({
    profile: () => ({ commands: [{ command: "ProfileTaskQuery", args }] }),
  });
  const processor = new SegmentProcessor(exporter, identity);
  const profiler = new TraceProfiler(exporter, { intervalMs: 60_000, env: {} });
  register(processor, profiler);
  await profiler.fetch();
  await withSpan("GET /slow", { kind: SpanKind.SERVER }, async () => burn(30));
  assert.deepEqual(profiler.stats(), { snapshots: 0, tasks: 1 });
  await profiler.shutdown();
  assert.deepEqual(collector.finishedTasks, []);
});

/** Works for this long, and for as much of the processor's time: a busy machine gives a process little of the clock's. */
function burn(ms: number): void {
  const block = Buffer.alloc(256 * 1024);
  const until = performance.now() + ms;
  const before = process.cpuUsage();
  const hasWorked = (): boolean => {
    const { user, system } = process.cpuUsage(before);
    return user + system >= ms * 1000 && performance.now() >= until;
  };
  // Work of a builtin: of a loop that V8 optimises while it runs the profiler may not tell whose it is.
  while (!hasWorked()) createHash("sha256").update(block).digest();
}
