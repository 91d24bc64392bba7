// Our spans, metrics and log lines through the Collector: as it understood them, and as our collector keeps what comes out of it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { Collector } from "@clew/collector";
import { Context, run } from "@clew/context";
import { OtlpExporter, OtlpLogs, OtlpMetricsExporter, ZipkinExporter } from "@clew/exporter";
import { createLogger } from "@clew/log";
import { MeterProvider, type MetricsData } from "@clew/metrics";
import { openSqliteStore } from "@clew/store";
import { BatchProcessor, composeProcessors, createResource, type SpanData, TracerProvider } from "@clew/trace";
import {
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  ValueType,
} from "@opentelemetry/api";
import { until } from "../../packages/http2/test/until.ts";
import { ExportTraceServiceRequestSchema } from "../../packages/trace/test/gen/otlp_pb.ts";
import {
  bare,
  expectedMetrics,
  expectedSpan,
  listOf,
  metricsOf,
  serviceOf,
  spansOf,
  toAttributes,
} from "./expected.ts";
import { type Judge, otlpReceiver, startOtelCollector, takePorts } from "./otel-collector.ts";
import { type JsonSink, startJsonSink } from "./sinks.ts";
import { type Case, nameOf, optionsTo, type Ports, type Way, ways } from "./ways.ts";

/** How the Collector sends to each of our collectors. */
const ours = {
  "http/protobuf": (to: Addresses) => ["otlphttp", { endpoint: to.http, compression: "none" }],
  "http/protobuf with gzip": (to: Addresses) => ["otlphttp", { endpoint: to.http, compression: "gzip" }],
  "http/json": (to: Addresses) => ["otlphttp", { endpoint: to.http, compression: "none", encoding: "json" }],
  "http/json with gzip": (to: Addresses) => ["otlphttp", { endpoint: to.http, compression: "gzip", encoding: "json" }],
  grpc: (to: Addresses) => ["otlp", { endpoint: to.grpc, compression: "none", tls: { insecure: true } }],
  "grpc with gzip": (to: Addresses) => ["otlp", { endpoint: to.grpc, compression: "gzip", tls: { insecure: true } }],
} as const;

interface Addresses {
  readonly http: string;
  readonly grpc: string;
}

export async function throughCases(judge: Judge): Promise<Case[]> {
  const sink = await startJsonSink(judge.closers);
  const [http, grpc, zipkin] = (await takePorts(3)) as [number, number, number];
  const exporters: Record<string, unknown> = {
    "otlphttp/sink": { endpoint: sink.endpoint, encoding: "json", compression: "none" },
  };
  const collectors: [name: string, file: string, collector: Collector][] = [];
  for (const [name, toExporter] of Object.entries(ours)) {
    const file = join(judge.folder, `${collectors.length}.db`);
    const address = "127.0.0.1:0";
    const collector = new Collector({ address, otlpAddress: address, otlpGrpcAddress: address, data: file });
    await collector.start();
    const [type, settings] = toExporter({
      http: collector.otlpEndpoint().origin,
      grpc: collector.otlpGrpcEndpoint()!.host,
    });
    exporters[`${type}/${collectors.length}`] = settings;
    collectors.push([name, file, collector]);
  }
  const pipeline = (receivers: string[], to: string[]): unknown => ({ receivers, exporters: to });
  const config = {
    receivers: { otlp: otlpReceiver(http, grpc), zipkin: { endpoint: `127.0.0.1:${zipkin}` } },
    exporters,
    service: {
      pipelines: {
        traces: pipeline(["otlp"], Object.keys(exporters)),
        "traces/zipkin": pipeline(["zipkin"], ["otlphttp/sink"]),
        metrics: pipeline(["otlp"], ["otlphttp/sink"]),
        logs: pipeline(["otlp"], ["otlphttp/sink"]),
      },
    },
  };
  const { log } = await startOtelCollector(judge, config, [http, grpc, zipkin]);
  const ports = { http, grpc };

  const sent = new Map<string, readonly SpanData[]>();
  for (const way of ways) sent.set(nameOf(way), await sendSpans(way, ports));
  const count = [...sent.values()].reduce((sum, { length }) => sum + length, 0);
  const cases: Case[] = [];
  for (const [way, spans] of sent) {
    cases.push({
      name: `spans by ${way}, as the Collector has them`,
      run: async () => {
        await until(() => from(spansOf(sink.requests.traces), way).length >= spans.length);
        sameSpans(from(spansOf(sink.requests.traces), way), spans);
      },
    });
  }
  for (const [name, file, collector] of collectors) {
    // It keeps what it took when it ends; that is read.
    const stored = once(async () => {
      await until(() => collector.stats().otlp.spans >= count, `${count} spans are ours; the Collector: ${log()}`);
      await collector.stop(AbortSignal.timeout(5000));
      return readStore(file, [...sent.values()].flat());
    });
    judge.closers.push(() => collector.stop(AbortSignal.timeout(100)));
    for (const [way, spans] of sent) {
      cases.push({
        name: `spans by ${way}, from the Collector by ${name} into our collector`,
        run: async () => sameSpans(from(spansOf(await stored()), way), spans),
      });
    }
  }
  for (const way of ways) {
    cases.push(
      { name: `metrics by ${nameOf(way)}`, run: () => sendMetrics(way, ports, sink) },
      { name: `log lines by ${nameOf(way)}`, run: () => sendLogs(way, ports, sink) },
    );
  }
  for (const compression of ["none", "gzip"] as const) {
    const name = compression === "gzip" ? "spans by zipkin with gzip" : "spans by zipkin";
    cases.push({ name, run: () => sendZipkin(zipkin, compression, sink) });
  }
  return cases;
}

const resourceAttributes = {
  "deployment.environment.name": "conformance",
  "team.names": ["blue whales", "grün"],
  "host.cpu.count": 2,
};

/** Makes spans with everything that a span can have, and sends them. */
async function sendSpans(way: Way, ports: Ports): Promise<readonly SpanData[]> {
  const exporter = new OtlpExporter(optionsTo(ports, way));
  const spans = await makeSpans(nameOf(way), new BatchProcessor(exporter, { env: {} }));
  const { exported, rejected, failed } = exporter.stats();
  assert.deepEqual({ exported, rejected, failed }, { exported: spans.length, rejected: 0, failed: 0 });
  return spans;
}

async function makeSpans(service: string, processor: BatchProcessor): Promise<readonly SpanData[]> {
  const spans: SpanData[] = [];
  const recorder = {
    onStart() {},
    onEnd: (span: SpanData) => void spans.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  const resource = createResource({ service, version: "1.2.3", attributes: resourceAttributes, env: {} });
  const provider = new TracerProvider({
    resource: { ...resource, schemaUrl: "https://opentelemetry.io/schemas/1.36.0" },
    processor: composeProcessors(recorder, processor),
    limits: { attributes: 20, events: 3, links: 2 },
    env: {},
  });
  const tracer = provider.getTracer("lib", "4.5", { schemaUrl: "https://opentelemetry.io/schemas/1.37.0" });
  const plain = provider.getTracer("plain");
  const remote = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    traceState: createTraceState("vendor=a:b,other=1"),
  });
  const root = tracer.startSpan("GET /cart ä€😀", { kind: SpanKind.SERVER, attributes: attributesOf() }, remote);
  const inRoot = trace.setSpan(ROOT_CONTEXT, root);
  const client = tracer.startSpan("stock/Get", { kind: SpanKind.CLIENT }, inRoot);
  client.addEvent("cache miss", { key: "k1", tries: 2 });
  client.addEvent("bare");
  client.recordException(new Error("no such item"));
  client.addEvent("one too many");
  client.setStatus({ code: SpanStatusCode.ERROR, message: "NOT_FOUND ä" });
  client.end();
  const link = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };
  const consumer = plain.startSpan(
    "orders process",
    {
      kind: SpanKind.CONSUMER,
      links: [
        {
          context: { ...link, traceFlags: 1, isRemote: true, traceState: createTraceState("k=v") },
          attributes: { n: 1 },
        },
        { context: { ...link, spanId: "00f067aa0ba902b8", traceFlags: 0 } },
        { context: { ...link, spanId: "00f067aa0ba902b9", traceFlags: 1 } },
      ],
    },
    ROOT_CONTEXT,
  );
  consumer.setStatus({ code: SpanStatusCode.OK });
  consumer.end();
  tracer.startSpan("orders send", { kind: SpanKind.PRODUCER }, inRoot).end();
  const crowded = tracer.startSpan("render", {}, inRoot);
  for (let index = 0; index < 23; index++) crowded.setAttribute(`key.${index}`, index);
  crowded.end();
  root.end();
  await provider.shutdown();
  return spans;
}

function attributesOf() {
  return {
    "text.empty": "",
    "text.odd": 'quote " backslash \\ newline \n nul \u0000 ünï 😀',
    int: 3,
    "int.negative": -7,
    "int.large": Number.MAX_SAFE_INTEGER,
    zero: 0,
    double: 0.1,
    "double.tiny": 5e-324,
    "double.huge": 1.7976931348623157e308,
    "double.nan": Number.NaN,
    "double.infinite": Number.NEGATIVE_INFINITY,
    yes: true,
    no: false,
    texts: ["a", "", "ü"],
    numbers: [1, 2, 3],
    ratios: [0.5, 1.5],
    bools: [true, false],
    none: [],
  };
}

/** What a store that nobody has open holds, as requests in OTLP's JSON. */
async function readStore(file: string, spans: readonly SpanData[]): Promise<unknown[]> {
  const store = await openSqliteStore({ file });
  try {
    const requests: unknown[] = [];
    for (const traceId of new Set(spans.map((span) => span.traceId))) {
      const request = await store.trace(traceId);
      if (request === null) continue;
      const message = fromBinary(ExportTraceServiceRequestSchema, request);
      requests.push(withHexIds(toJson(ExportTraceServiceRequestSchema, message, { enumAsInteger: true })));
    }
    return requests;
  } finally {
    await store.close();
  }
}

/** OTLP's JSON has ids in hex, protobuf's in base64. */
function withHexIds(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json), (key, value: unknown) =>
    /^(traceId|spanId|parentSpanId)$/.test(key) ? Buffer.from(String(value), "base64").toString("hex") : value,
  );
}

function sameSpans(found: readonly Record<string, unknown>[], spans: readonly SpanData[]): void {
  assert.deepEqual(sorted(found, spanIdOf), sorted(spans.map(expectedSpan), spanIdOf));
}

function spanIdOf({ span }: Record<string, unknown>): string {
  return String((span as { spanId: unknown }).spanId);
}

function sorted<T>(list: readonly T[], keyOf: (one: T) => string): T[] {
  return [...list].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** What one service sent. */
function from(found: readonly Record<string, unknown>[], service: string): Record<string, unknown>[] {
  return found.filter((one) => serviceOf(one) === service);
}

async function sendMetrics(way: Way, ports: Ports, sink: JsonSink): Promise<void> {
  const service = nameOf(way);
  const data = await makeMetrics(service);
  const exporter = new OtlpMetricsExporter(optionsTo(ports, way));
  try {
    assert.equal(await exporter.export(data), true, exporter.stats().lastError);
  } finally {
    await exporter.shutdown();
  }
  const expected = expectedMetrics(data);
  const counts = data.scopes.flatMap(({ metrics }) => metrics.map(({ points }) => points.length));
  const points = counts.reduce((sum, count) => sum + count, 0);
  assert.deepEqual([exporter.stats().exported, exporter.stats().rejected], [points, 0]);
  await until(() => from(metricsOf(sink.requests.metrics), service).length >= expected.length);
  const nameOfMetric = ({ metric }: Record<string, unknown>): string => String((metric as { name: unknown }).name);
  assert.deepEqual(
    sorted(from(metricsOf(sink.requests.metrics), service), nameOfMetric),
    sorted(expected, nameOfMetric),
  );
}

async function makeMetrics(service: string): Promise<MetricsData> {
  const provider = new MeterProvider({
    resource: createResource({ service, version: "1.2.3", attributes: resourceAttributes, env: {} }),
    views: [{ instrument: "wait", exponential: true }],
    env: {},
  });
  const meter = provider.getMeter("lib", "4.5", { schemaUrl: "https://opentelemetry.io/schemas/1.37.0" });
  const context = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
  const inSpan = trace.setSpanContext(ROOT_CONTEXT, context);
  const calls = meter.createCounter("calls", { unit: "{call}", description: 'The "calls" ä.' });
  calls.add(3, { method: "GET", ok: true, list: ["a", "b"] }, inSpan);
  calls.add(2, { method: "PUT" });
  meter.createUpDownCounter("open").add(-2);
  meter.createGauge("level", { unit: "1" }).record(0.25, { tank: "ü" });
  meter
    .createObservableCounter("ticks", { valueType: ValueType.INT })
    .addCallback((result) => result.observe(7, { of: "clock" }));
  const size = meter.createHistogram("size", { unit: "By", advice: { explicitBucketBoundaries: [1, 2, 5.5] } });
  for (const value of [0.5, 1, 1.5, 9]) size.record(value, { kind: "x" }, inSpan);
  const wait = meter.createHistogram("wait", { unit: "s" });
  for (const value of [0, 0.001, 0.5, 1, 1.5, 900]) wait.record(value);
  provider.getMeter("other").createCounter("calls").add(1.5);
  return provider.collect();
}

async function sendLogs(way: Way, ports: Ports, sink: JsonSink): Promise<void> {
  const service = nameOf(way);
  const resource = createResource({ service, attributes: resourceAttributes, env: {} });
  const logs = new OtlpLogs({ ...optionsTo(ports, way), resource });
  const logger = createLogger({ level: "debug", writer: logs.write });
  const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
  const beforeNs = BigInt(Date.now()) * 1_000_000n;
  run(trace.setSpanContext(Context.root, span) as Context, () =>
    logger.with({ name: "cart" }).error("no ä user", { id: 7, ratio: 0.5, ok: false, deep: { list: [1, "a"] } }),
  );
  logger.debug("bare");
  logger.info("");
  logger.warn('quote " newline \n');
  await logs.shutdown();
  const afterNs = BigInt(Date.now()) * 1_000_000n;
  const { exported, failed } = logs.stats().delivery;
  assert.deepEqual([exported, failed], [4, 0]);
  const mine = () =>
    sink.requests.logs.flatMap((one) => listOf(one, "resourceLogs")).filter((one) => serviceOf(one) === service);
  await until(() => mine().length > 0);
  const [group, ...others] = mine();
  assert.equal(others.length, 0);
  assert.deepEqual(bare(group!.resource), { attributes: toAttributes(resource.attributes) });
  const [scope, ...more] = listOf(group, "scopeLogs");
  assert.equal(more.length, 0);
  assert.deepEqual(scope!.scope, { name: "@clew/log" });
  const records = listOf(scope, "logRecords").map(({ timeUnixNano, observedTimeUnixNano, ...record }) => {
    const timeNs = BigInt(timeUnixNano as string);
    assert.ok(timeNs >= beforeNs && timeNs <= afterNs && timeUnixNano === observedTimeUnixNano);
    return bare(record);
  });
  const deep = {
    values: [{ key: "list", value: { arrayValue: { values: [{ intValue: "1" }, { stringValue: "a" }] } } }],
  };
  const attributes = [
    { key: "name", value: { stringValue: "cart" } },
    { key: "id", value: { intValue: "7" } },
    { key: "ratio", value: { doubleValue: 0.5 } },
    { key: "ok", value: { boolValue: false } },
    { key: "deep", value: { kvlistValue: deep } },
  ];
  const line = (severityText: string, severityNumber: number, text: string, fields: object = {}) =>
    // An empty text is one.
    ({ severityText, severityNumber, body: { stringValue: text }, ...fields });
  assert.deepEqual(
    records,
    [
      line("ERROR", 17, "no ä user", { attributes, traceId: span.traceId, spanId: span.spanId, flags: 1 }),
      line("DEBUG", 5, "bare"),
      line("INFO", 9, ""),
      line("WARN", 13, 'quote " newline \n'),
    ].map(bare),
  );
}

/**
 * Zipkin's spans know no scope and no types; what they do know arrives. As OpenTelemetry's specification has it an annotation is the
 * event's name with its attributes as JSON, and `error` says why; the Collector reads neither, nor `OK` for a status.
 */
async function sendZipkin(port: number, compression: "gzip" | "none", sink: JsonSink): Promise<void> {
  const service = `zipkin ${compression}`;
  const exporter = new ZipkinExporter({ endpoint: `http://127.0.0.1:${port}/api/v2/spans`, compression, env: {} });
  const spans = await makeSpans(service, new BatchProcessor(exporter, { env: {} }));
  await until(() => from(spansOf(sink.requests.traces), service).length >= spans.length);
  const found = from(spansOf(sink.requests.traces), service).map((one) => {
    const span = one.span as Record<string, unknown>;
    const { traceId, spanId, parentSpanId = "", name, kind = 1, status = {}, events, attributes } = span;
    const tags = new Map(listOf({ attributes }, "attributes").map(({ key, value }) => [key, value]));
    return {
      ...{ traceId, spanId, parentSpanId, name, kind, status },
      startUs: Number(BigInt(span.startTimeUnixNano as string) / 1000n),
      durationUs: Number(BigInt(span.endTimeUnixNano as string) - BigInt(span.startTimeUnixNano as string)) / 1000,
      events: listOf({ events }, "events").map((event) => String(event.name).replace(/: \{.*\}$/, "")),
      tags: ["text.odd", "int", "yes", "texts", "otel.scope.name", "error"].map((key) => tags.get(key)),
    };
  });
  const expected = spans.map((span) => {
    const tags = span.name.startsWith("GET")
      ? [attributesOf()["text.odd"], "3", "true", '["a","","ü"]']
      : [undefined, undefined, undefined, undefined];
    const isError = span.statusCode === SpanStatusCode.ERROR;
    return {
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      name: span.name,
      kind: span.kind + 1,
      status: isError ? { code: 2 } : {},
      startUs: Math.floor(span.startUs),
      durationUs: Math.max(1, Math.floor(span.endUs - span.startUs)),
      events: span.events.map(({ name, attributes }) => (attributes.length === 0 ? name : JSON.stringify(name))),
      tags: [...tags, span.scope.name, isError ? span.statusMessage : undefined].map(
        (stringValue) => stringValue && { stringValue },
      ),
    };
  });
  assert.deepEqual(
    sorted(found, ({ spanId }) => String(spanId)),
    sorted(expected, ({ spanId }) => spanId),
  );
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
