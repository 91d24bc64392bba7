// Metrics of Node, of the tracing engine, and out of spans.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type HistogramPoint, MeterProvider, runtimeMetrics, spanMetrics, traceMetrics } from "@clew/metrics";
import {
  alwaysOff,
  BatchProcessor,
  composeProcessors,
  createResource,
  type SpanData,
  type SpanExporter,
  TracerProvider,
} from "@clew/trace";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { collectOne, collectValues, textOf } from "./collect.ts";

// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

async function namesOf(provider: MeterProvider): Promise<string[]> {
  return (await provider.collect()).scopes.flatMap(({ metrics }) => metrics.map(({ name }) => name)).sort();
}

test("Node's own: event loop, garbage collection, heap, CPU, memory, resources", async () => {
  const provider = new MeterProvider({ env: {} });
  const stop = runtimeMetrics({ meterProvider: provider, resolutionMs: 1 });
  try {
    const giveUpAtMs = performance.now() + 60_000;
    let names: string[] = [];
    while (!(names.includes("v8js.gc.duration") && names.includes("nodejs.eventloop.delay.max"))) {
      assert.ok(performance.now() < giveUpAtMs, names.join(" "));
      // Garbage, until some of it was collected.
      for (let count = 0; count < 200; count++) new Array(10_000).fill(count);
      await sleep(5);
      names = await namesOf(provider);
    }
    assert.deepEqual(names, [
      ...["max", "mean", "min", "p50", "p90", "p99", "stddev"].map((part) => `nodejs.eventloop.delay.${part}`),
      "nodejs.eventloop.time",
      "nodejs.eventloop.utilization",
      "process.cpu.time",
      "process.memory.usage",
      "process.uptime",
      "v8js.gc.duration",
      "v8js.memory.heap.limit",
      "v8js.memory.heap.space.available_size",
      "v8js.memory.heap.space.physical_size",
      "v8js.memory.heap.space.size",
      "v8js.memory.heap.used",
      "v8js.resource.active",
    ]);
    const { "": utilization } = await collectValues(provider, "nodejs.eventloop.utilization");
    assert.ok(Number(utilization) >= 0 && Number(utilization) <= 1, `${utilization}`);
    const times = await collectValues(provider, "nodejs.eventloop.time");
    assert.deepEqual(Object.keys(times), ["nodejs.eventloop.state=active", "nodejs.eventloop.state=idle"]);
    const cpu = await collectValues(provider, "process.cpu.time");
    assert.ok(Number(cpu["cpu.mode=user"]) > 0.01);
    const used = await collectValues(provider, "v8js.memory.heap.used");
    assert.ok(Number(used["v8js.heap.space.name=old_space"]) > 100_000);
    assert.ok(Number((await collectValues(provider, "process.memory.usage"))[""]) > 10_000_000);
    const pauses = await collectOne(provider, "v8js.gc.duration");
    assert.match(textOf(pauses.points[0]!.attributes), /^v8js\.gc\.type=(minor|major|incremental|weakcb)$/);
  } finally {
    stop();
  }
  assert.deepEqual(await namesOf(provider), ["v8js.gc.duration"], "after its end only what was measured is there");
});

test("the tracing engine's own: what was started is exported, dropped, failed, waiting or alive", async () => {
  const provider = new MeterProvider({ env: {} });
  const answers = ["exported", "failed"] as const;
  let count = 0;
  const exporter: SpanExporter = {
    export: async () => ({ outcome: answers[count++]!, ...(count === 1 ? { rejectedSpans: 1 } : {}) }),
    shutdown: async () => {},
  };
  const batch = new BatchProcessor(exporter, { capacity: 8, batchSize: 8, delayMs: 60_000, env: {} });
  const tracer = new TracerProvider({ processor: batch }).getTracer("test");
  const stop = traceMetrics(batch, { meterProvider: provider });
  const startAndEnd = (spans: number): void => {
    for (let index = 0; index < spans; index++) tracer.startSpan("work").end();
  };
  startAndEnd(3);
  await batch.forceFlush();
  startAndEnd(2);
  await batch.forceFlush();
  // Of ten, seven find space: the last eighth is for errors.
  startAndEnd(10);
  const open = tracer.startSpan("open");
  const component = "otel.component.name=batching_span_processor/0 otel.component.type=batching_span_processor";
  assert.deepEqual(await collectValues(provider, "otel.sdk.span.started"), {
    "otel.span.sampling_result=RECORD_AND_SAMPLE": 16,
  });
  assert.deepEqual(await collectValues(provider, "otel.sdk.span.live"), {
    "otel.span.sampling_result=RECORD_AND_SAMPLE": 1,
  });
  assert.deepEqual(await collectValues(provider, "otel.sdk.processor.span.queue.size"), { [component]: 7 });
  assert.deepEqual(await collectValues(provider, "otel.sdk.processor.span.processed"), {
    [`error.type=queue_full ${component}`]: 3,
    [`error.type=already_shutdown ${component}`]: 0,
    [component]: 5,
  });
  assert.deepEqual(await collectValues(provider, "otel.sdk.processor.span.queue.capacity"), { [component]: 8 });
  const handed = "otel.component.name=Object/0 otel.component.type=Object";
  assert.deepEqual(await collectValues(provider, "otel.sdk.exporter.span.exported"), {
    [handed]: 2,
    [`error.type=rejected ${handed}`]: 1,
    [`error.type=failed ${handed}`]: 2,
    [`error.type=timeout ${handed}`]: 0,
  });
  open.end();
  stop();
  assert.deepEqual(await namesOf(provider), []);
  await batch.shutdown();
});

test("rate, errors and durations come out of spans, beside another processor, with their exemplars", async () => {
  const provider = new MeterProvider({ env: {} });
  const ended: SpanData[] = [];
  const keep = {
    onStart() {},
    onEnd: (span: SpanData) => void ended.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  const derive = spanMetrics({ meterProvider: provider, attributes: ["http.route"] });
  const tracer = new TracerProvider({
    resource: createResource({ service: "shop", env: {} }),
    processor: composeProcessors(keep, derive),
  }).getTracer("test");
  const at = Date.now();
  const work = (name: string, kind: SpanKind, ms: number, attributes = {}, isError = false): void => {
    const span = tracer.startSpan(name, { kind, attributes, startTime: at, root: true });
    if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(at + ms);
  };
  work("GET /a", SpanKind.SERVER, 3, { "http.route": "/a", ignored: 1 });
  work("GET /a", SpanKind.SERVER, 30, { "http.route": "/a", ignored: 2 });
  work("GET /a", SpanKind.SERVER, 4, { "http.route": "/a" }, true);
  work("call", SpanKind.CLIENT, 2000);
  work("inside", SpanKind.INTERNAL, 1);
  const server = "service.name=shop span.kind=SPAN_KIND_SERVER span.name=GET /a status.code=STATUS_CODE_";
  const client = "service.name=shop span.kind=SPAN_KIND_CLIENT span.name=call status.code=STATUS_CODE_UNSET";
  assert.deepEqual(await collectValues(provider, "traces.span.metrics.calls"), {
    [`http.route=/a ${server}UNSET`]: 2,
    [`http.route=/a ${server}ERROR`]: 1,
    [client]: 1,
  });
  const { points, unit } = await collectOne(provider, "traces.span.metrics.duration");
  assert.equal(unit, "s");
  const point = points.find(
    ({ attributes }) => textOf(attributes) === `http.route=/a ${server}UNSET`,
  ) as HistogramPoint;
  assert.deepEqual([point.count, point.sum.toFixed(6)], [2, "0.033000"]);
  assert.deepEqual(
    point.exemplars.map(({ spanId }) => spanId),
    ended.slice(0, 2).map(({ spanId }) => spanId),
  );
});

test("an unsampled span makes no metric, and milliseconds are to be had", async () => {
  const provider = new MeterProvider({ env: {} });
  const derive = spanMetrics({ meterProvider: provider, unit: "ms", kinds: [SpanKind.INTERNAL] });
  new TracerProvider({ processor: derive, sampler: alwaysOff }).getTracer("test").startSpan("work").end();
  assert.deepEqual(await namesOf(provider), []);
  const at = Date.now();
  new TracerProvider({ processor: derive })
    .getTracer("test")
    .startSpan("work", { startTime: at })
    .end(at + 7);
  const metric = await collectOne(provider, "traces.span.metrics.duration");
  assert.ok(metric.type === "histogram");
  assert.deepEqual([metric.unit, metric.boundaries[0], metric.points[0]!.sum], ["ms", 5, 7]);
  assert.throws(() => spanMetrics({ unit: "us" as "s" }), { code: "CLEW_METRICS_OPTION" });
});
