// What telemetry counts of itself, as metrics: nothing is lost in silence.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startLogs, startMetrics, startTracing } from "@clew/exporter";
import { createLogger } from "@clew/log";
import {
  type HistogramPoint,
  type MeterProvider,
  type MetricData,
  type NumberPoint,
  renderPrometheus,
} from "@clew/metrics";
import { alwaysOff, type SpanExporter } from "@clew/trace";
import { encodePartialSuccess } from "@clew/trace/otel";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import * as conventions from "@opentelemetry/semantic-conventions/incubating";
import { until } from "../../http2/test/until.ts";
import { cleanUps, sink } from "./clean-up.ts";

function begin<T extends { shutdown(): Promise<void> }>(started: T): T {
  cleanUps.push(() => started.shutdown());
  return started;
}

const scraped = () => begin(startMetrics({ exporter: false, env: {} }));

/** Each series of a metric: `{ "error.type=queue_full": 3 }`. What names components is left out where there is one of each. */
async function valuesOf(provider: MeterProvider, name: string): Promise<Record<string, number>> {
  const metrics = (await provider.collect()).scopes.flatMap(({ metrics }) => metrics);
  const values: Record<string, number> = {};
  const found = metrics.filter((metric) => metric.name === name);
  for (const point of found.flatMap((metric): readonly (NumberPoint | HistogramPoint)[] => metric.points)) {
    const pairs: string[] = [];
    for (let index = 0; index < point.attributes.length; index += 2) {
      const key = String(point.attributes[index]);
      if (key !== "otel.component.type")
        pairs.push(`${key.replace("otel.component.", "")}=${point.attributes[index + 1]}`);
    }
    if ("value" in point) values[pairs.join(" ")] = point.value;
  }
  return values;
}

const batching = "name=batching_span_processor/0";

test("of spans: what was not sampled, what waits, what left, what was refused or found no space, and what it took", async () => {
  const collector = await sink((response, index) => {
    if (index === 0) response.writeHead(503).end();
    else if (index === 1) response.end(encodePartialSuccess({ rejectedSpans: 1, message: "no" }));
    else response.writeHead(400).end();
  });
  // Before there is a provider of metrics.
  const tracing = begin(
    startTracing({ endpoint: collector.endpoint, env: {}, batch: { delayMs: 60_000, capacity: 8, batchSize: 8 } }),
  );
  const { provider } = scraped();
  const work = (count: number): void => {
    for (let index = 0; index < count; index++) trace.getTracer("test").startSpan("work").end();
  };
  work(3);
  await tracing.flush();
  work(2);
  await tracing.flush();
  // The last eighth is for errors.
  work(10);
  trace.getTracer("test").startSpan("open");
  const result = (name: string) => `otel.span.sampling_result=${name}`;
  assert.deepEqual(await valuesOf(provider, "otel.sdk.span.started"), {
    [result("RECORD_AND_SAMPLE")]: 16,
    [result("RECORD_ONLY")]: 0,
    [result("DROP")]: 0,
  });
  assert.equal((await valuesOf(provider, "otel.sdk.span.live"))[result("RECORD_AND_SAMPLE")], 1);
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.span.queue.size"), { [batching]: 7 });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.span.queue.capacity"), { [batching]: 8 });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.span.processed"), {
    [batching]: 5,
    [`error.type=queue_full ${batching}`]: 3,
    [`error.type=already_shutdown ${batching}`]: 0,
  });
  const exporter = "name=otlp_http_span_exporter/0";
  assert.deepEqual(await valuesOf(provider, "otel.sdk.exporter.span.exported"), {
    [exporter]: 2,
    [`error.type=rejected ${exporter}`]: 1,
    [`error.type=failed ${exporter}`]: 2,
    [`error.type=timeout ${exporter}`]: 0,
  });
  assert.deepEqual(await valuesOf(provider, "clew.sdk.exporter.requests"), { [exporter]: 3 });
  assert.deepEqual(await valuesOf(provider, "clew.sdk.exporter.retries"), { [exporter]: 1 });
  assert.ok((await valuesOf(provider, "clew.sdk.exporter.sent"))[exporter]! > 100);
  // What is dropped at the end is told after the end, until there is another.
  await tracing.shutdown();
  const late = { ...(await valuesOf(provider, "otel.sdk.processor.span.processed")) };
  assert.equal(late[batching]! + late[`error.type=already_shutdown ${batching}`]!, 12);
});

test("of spans: what is being exported, and what took too long", async () => {
  const exporter: SpanExporter = { export: () => new Promise(() => {}), shutdown: async () => {} };
  const batch = { exportTimeoutMs: 20, delayMs: 60_000 };
  const tracing = begin(startTracing({ exporter, env: {}, batch }));
  const { provider } = scraped();
  trace.getTracer("test").startSpan("work").end();
  const flushing = tracing.flush();
  assert.deepEqual(await valuesOf(provider, "otel.sdk.exporter.span.inflight"), { "name=Object/0": 1 });
  await flushing;
  assert.deepEqual(await valuesOf(provider, "otel.sdk.exporter.span.inflight"), { "name=Object/0": 0 });
  assert.equal((await valuesOf(provider, "otel.sdk.exporter.span.exported"))["error.type=timeout name=Object/0"], 1);
});

test("of spans: what limits cut off", async () => {
  const { provider } = scraped();
  begin(startTracing({ exporter: [], env: {}, limits: { spans: 3, attributes: 1, events: 1, links: 0 } }));
  const tracer = trace.getTracer("test");
  tracer.startActiveSpan("root", (root) => {
    for (let index = 0; index < 4; index++) tracer.startSpan("child").end();
    root.setAttributes({ a: 1, b: 2, c: 3 }).addEvent("one").addEvent("two");
    root.addLink({ context: { ...root.spanContext() } });
    root.end();
    tracer.startSpan("late").end();
  });
  for (const [name, count] of [
    ["clew.sdk.span.dropped", 2],
    ["clew.sdk.span.attribute.dropped", 2],
    ["clew.sdk.span.event.dropped", 1],
    ["clew.sdk.span.link.dropped", 1],
    ["clew.sdk.span.late", 1],
  ] as const) {
    assert.deepEqual(await valuesOf(provider, name), { "": count }, name);
  }
});

test("of the tail: what it decided and why, what waits, what found no space and what was let go", async () => {
  const { provider } = scraped();
  const tail = { maxSpans: 2, maxTraces: 2 };
  const tracing = begin(startTracing({ exporter: [], sampler: alwaysOff, tail, env: {} }));
  const tracer = trace.getTracer("test");
  const request = (children: number, isError: boolean, isOpen = false): void => {
    tracer.startActiveSpan("request", { root: true }, (root) => {
      for (let index = 0; index < children; index++) tracer.startSpan("child").end();
      if (isError) root.setStatus({ code: SpanStatusCode.ERROR });
      if (!isOpen) root.end();
    });
  };
  request(1, true);
  request(1, false);
  request(3, false);
  request(2, false, true);
  const name = "name=tail_span_processor/0";
  const result = (text: string) => `otel.span.sampling_result=${text}`;
  assert.deepEqual(await valuesOf(provider, "otel.sdk.span.started"), {
    [result("RECORD_AND_SAMPLE")]: 0,
    [result("RECORD_ONLY")]: 11,
    [result("DROP")]: 0,
  });
  assert.equal((await valuesOf(provider, "otel.sdk.span.live"))[result("RECORD_ONLY")], 1);
  assert.deepEqual(await valuesOf(provider, "clew.sdk.tail.span.decided"), {
    [`clew.tail.decision=kept ${name}`]: 2,
    [`clew.tail.decision=forgotten ${name}`]: 5,
  });
  assert.deepEqual(await valuesOf(provider, "clew.sdk.tail.trace.kept"), {
    [`clew.kept=error ${name}`]: 1,
    [`clew.kept=slow ${name}`]: 0,
    [`clew.kept=rare ${name}`]: 0,
  });
  assert.deepEqual(await valuesOf(provider, "clew.sdk.tail.trace.pending"), { [name]: 1 });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.span.queue.size"), { [name]: 2 });
  assert.ok((await valuesOf(provider, "clew.sdk.tail.queue"))[name]! > 500);
  const processed = (evicted: number) => ({
    [name]: 7,
    [`error.type=queue_full ${name}`]: 1,
    [`error.type=evicted ${name}`]: evicted,
  });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.span.processed"), processed(0));
  await tracing.shutdown();
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.span.processed"), processed(2));
});

test("without a tail, what no sampler wanted is counted as dropped by it", async () => {
  const { provider } = scraped();
  begin(startTracing({ exporter: [], sampler: alwaysOff, env: {} }));
  for (let index = 0; index < 5; index++) trace.getTracer("test").startSpan("work").end();
  assert.equal((await valuesOf(provider, "otel.sdk.span.started"))["otel.span.sampling_result=DROP"], 5);
});

test("of log lines, and of metrics themselves", async () => {
  const collector = await sink();
  const metrics = begin(startMetrics({ endpoint: collector.endpoint, env: {}, reader: { intervalMs: 60_000 } }));
  const logs = begin(startLogs({ endpoint: collector.endpoint, env: {}, capacity: 4, delayMs: 60_000 }));
  const logger = createLogger({ also: [logs.write], destination: { write() {} } });
  for (let index = 0; index < 6; index++) logger.info("work");
  const { provider } = metrics;
  const processor = "name=batching_log_processor/0";
  // Four fill a batch, which goes on its own.
  await until(() => logs.stats()!.exported === 4, "the lines were exported");
  logger.info("one more");
  assert.deepEqual(await valuesOf(provider, "otel.sdk.log.created"), { "": 7 });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.log.queue.size"), { [processor]: 1 });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.log.queue.capacity"), { [processor]: 4 });
  assert.deepEqual(await valuesOf(provider, "otel.sdk.processor.log.processed"), {
    [processor]: 4,
    [`error.type=queue_full ${processor}`]: 2,
    [`error.type=already_shutdown ${processor}`]: 0,
  });
  assert.equal((await valuesOf(provider, "otel.sdk.exporter.log.exported"))["name=otlp_http_log_exporter/0"], 4);
  await metrics.flush();
  const points = await valuesOf(provider, "otel.sdk.exporter.metric_data_point.exported");
  assert.ok(points["name=otlp_http_metric_exporter/0"]! > 10);
  assert.deepEqual(await valuesOf(provider, "clew.sdk.metric_reader.exports"), {
    "name=periodic_metric_reader/0": 1,
    "error.type=failed name=periodic_metric_reader/0": 0,
  });
  assert.ok((await valuesOf(provider, "clew.sdk.metric.series"))[""]! > 10);
  assert.deepEqual(await valuesOf(provider, "clew.sdk.metric.overflowed"), { "": 0 });
  const requests = await valuesOf(provider, "clew.sdk.exporter.requests");
  assert.deepEqual(requests, { "name=otlp_http_log_exporter/0": 1, "name=otlp_http_metric_exporter/0": 1 });
});

test("SkyWalking's segments are counted beside the spans", async () => {
  const { provider } = scraped();
  begin(
    startTracing({
      exporter: [],
      env: {},
      // Nobody listens there.
      skywalking: { backends: ["127.0.0.1:1"], protocol: "http" },
    }),
  );
  trace.getTracer("test").startSpan("work").end();
  const name = "name=skywalking_segment_processor/0";
  assert.equal((await valuesOf(provider, "clew.sdk.segment.finished"))[name], 1);
  assert.ok(name in (await valuesOf(provider, "clew.sdk.processor.segment.queue.size")));
});

test("two exporters are told apart; whoever starts anew takes the names of what has ended", async () => {
  const make = (): SpanExporter => ({ export: async () => ({ outcome: "exported" }), shutdown: async () => {} });
  for (let round = 0; round < 2; round++) {
    const { provider } = scraped();
    const tracing = begin(startTracing({ exporter: [make(), make()], env: {} }));
    trace.getTracer("test").startSpan("work").end();
    await tracing.flush();
    const exported = await valuesOf(provider, "otel.sdk.exporter.span.exported");
    assert.deepEqual(
      [exported["name=Object/0"], exported["name=Object/1"], exported["name=Object/2"]],
      [1, 1, undefined],
    );
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  }
});

test("every name of OpenTelemetry's is one of its conventions, with its attributes, and a page of all can be scraped", async () => {
  const collector = await sink();
  const { endpoint } = collector;
  const metrics = begin(startMetrics({ endpoint, env: {} }));
  begin(startLogs({ endpoint, env: {} }));
  begin(startTracing({ endpoint, env: {}, tail: true }));
  trace.getTracer("test").startSpan("work").end();
  const data = await metrics.provider.collect();
  const found = data.scopes.flatMap((scope) => scope.metrics);
  const known = new Set(
    Object.entries(conventions)
      .filter(([name]) => /^(METRIC|ATTR)_/.test(name))
      .map(([, value]) => value as string),
  );
  const names = found.map(({ name }) => name).filter((name) => name.startsWith("otel."));
  assert.ok(names.length >= 14, names.join(" "));
  for (const name of names) assert.ok(known.has(name), name);
  const types = new Set<unknown>();
  for (const metric of found as MetricData[]) {
    for (const { attributes } of metric.points) {
      for (let index = 0; index < attributes.length; index += 2) {
        const name = String(attributes[index]);
        if (name === "otel.component.type") types.add(attributes[index + 1]);
        assert.ok(known.has(name) || name.startsWith("clew."), name);
      }
    }
  }
  const officialTypes = Object.entries(conventions).filter(([name]) => name.startsWith("OTEL_COMPONENT_TYPE_VALUE_"));
  const official = new Set<unknown>(officialTypes.map(([, value]) => value));
  types.delete("tail_span_processor");
  for (const type of types) assert.ok(official.has(type), `${type}`);
  const page = renderPrometheus(data);
  assert.match(page, /^otel_sdk_span_started_total\{otel_span_sampling_result="RECORD_AND_SAMPLE",.*\} 1$/m);
  assert.match(page, /^clew_sdk_exporter_sent_bytes_total\{.*\} 0$/m);
  assert.match(page, /^otel_sdk_processor_log_queue_size\{.*\} 0$/m);
});
