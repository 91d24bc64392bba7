// What the collector takes beside OTLP: SkyWalking's segments and Zipkin's spans, from our own exporters and as others write them.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Collector, type CollectorOptions } from "@clew/collector";
import { SkyWalkingExporter, ZipkinExporter } from "@clew/exporter";
import { type RawMessage, rawCodec, toRawMessage } from "@clew/exporter/otlp-service";
import * as skyWalking from "@clew/exporter/skywalking-service";
import type { Logger } from "@clew/log";
import { createServiceClient } from "@clew/rpc";
import { BatchProcessor, createResource, TracerProvider } from "@clew/trace";
import {
  encodeSegment,
  encodeSegments,
  type SegmentData,
  type SegmentSpan,
  segmentToJson,
  toSpanId,
  toTraceId,
} from "@clew/trace/skywalking";
import { GrpcClient } from "@clew/transport/grpc";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

const local = "127.0.0.1:0";

async function withCollector(
  use: (collector: Collector) => Promise<void>,
  options: CollectorOptions = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-receivers-"));
  const collector = new Collector({
    address: local,
    otlpAddress: local,
    otlpGrpcAddress: local,
    data: join(folder, "traces.db"),
    ...options,
  });
  await collector.start();
  try {
    await use(collector);
  } finally {
    await collector.stop(AbortSignal.timeout(5000));
    await rm(folder, { recursive: true });
  }
}

async function ask<T>(collector: Collector, path: string): Promise<T> {
  const response = await fetch(new URL(path, collector.endpoint()));
  return (await response.json()) as T;
}

interface Shown {
  readonly name: string;
  readonly kind: string;
  readonly service: string;
  readonly id: string;
  readonly parent: string;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly logs: readonly Readonly<Record<string, unknown>>[];
}

interface JaegerTag {
  readonly key: string;
  readonly value: unknown;
}

interface JaegerTrace {
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly references: readonly { readonly spanID: string; readonly refType: string }[];
    readonly processID: string;
    readonly tags: readonly JaegerTag[];
    readonly logs: readonly { readonly fields: readonly JaegerTag[] }[];
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

const toRecord = (tags: readonly JaegerTag[]): Record<string, unknown> =>
  Object.fromEntries(tags.map(({ key, value }) => [key, value]));

/** A trace as the collector's Jaeger API shows it, once it has so many spans. */
async function show(collector: Collector, traceId: string, count: number): Promise<Shown[]> {
  for (let tries = 0; ; tries++) {
    const { data } = await ask<{ data: JaegerTrace[] | null }>(collector, `/api/traces/${traceId}`);
    const found = data?.[0];
    if (found !== undefined && found.spans.length >= count) {
      return found.spans.map(({ spanID, operationName, references, processID, tags, logs }) => {
        const { "span.kind": kind = "internal", ...rest } = toRecord(tags);
        return {
          name: operationName,
          kind: String(kind),
          service: found.processes[processID]!.serviceName,
          id: spanID,
          parent: references.find(({ refType }) => refType === "CHILD_OF")?.spanID ?? "",
          tags: rest,
          logs: logs.map(({ fields }) => toRecord(fields)),
        };
      });
    }
    assert.ok(tries < 3000, `${found?.spans.length ?? 0} of ${count} spans of ${traceId}`);
    await sleep(20);
  }
}

function post(
  url: URL | string,
  body: Uint8Array | string,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<Response> {
  return fetch(url, { method: "POST", body: body as Uint8Array<ArrayBuffer> | string, headers });
}

// Zipkin.

const T0_US = 1_700_000_000_000_000;

const zipkinSpan = (init: object = {}): object => ({
  traceId: "86154a4ba6e91385",
  id: "4d1e00c0db9010db",
  kind: "CLIENT",
  name: "get /api",
  timestamp: T0_US,
  duration: 2000,
  localEndpoint: { serviceName: "frontend" },
  remoteEndpoint: { serviceName: "backend", ipv4: "192.168.99.101", port: 9000 },
  ...init,
});
const zipkinServer = zipkinSpan({
  kind: "SERVER",
  shared: true,
  timestamp: T0_US + 500,
  duration: 1000,
  localEndpoint: { serviceName: "backend" },
  remoteEndpoint: undefined,
  annotations: [{ timestamp: T0_US + 600, value: "cache miss" }],
  tags: { "http.method": "GET", "http.path": "/api", error: "no such item" },
});

/** The first of them alone, by zipkin.proto. */
const zipkinProtobuf = Buffer.from(
  "0a4c0a0886154a4ba6e913851a084d1e00c0db9010db20012a08676574202f6170693100401e18240a060038d00f420a0a0866726f6e74656e644a12" +
    "0a076261636b656e641204c0a8636520a846",
  "hex",
);

test("Zipkin's spans arrive as JSON and protobuf, plain and gzip, answered as Zipkin answers", () =>
  withCollector(
    async (collector) => {
      const traceId = "000000000000000086154a4ba6e91385";
      for (const origin of [collector.otlpEndpoint(), collector.zipkinEndpoint()!]) {
        const url = new URL("/api/v2/spans", origin);
        const json = JSON.stringify([zipkinSpan(), zipkinServer]);
        const answers = [
          await post(url, json),
          await post(url, gzipSync(json), { "content-type": "application/json", "content-encoding": "gzip" }),
          await post(url, zipkinProtobuf, { "content-type": "application/x-protobuf" }),
          await post(url, "[]"),
        ];
        for (const answer of answers) assert.deepEqual([answer.status, await answer.text()], [202, ""]);
      }
      const [client, server] = (await show(collector, traceId, 2)) as [Shown, Shown];
      assert.deepEqual(
        [client.name, client.kind, client.service, client.parent],
        ["get /api", "client", "frontend", ""],
      );
      assert.equal(client.tags["service.peer.name"], "backend");
      assert.equal(client.tags["network.peer.port"], 9000);
      assert.deepEqual(
        [server.name, server.kind, server.service, server.parent],
        ["get /api", "server", "backend", client.id],
      );
      assert.equal(server.tags.error, true);
      assert.equal(server.tags["otel.status_description"], "no such item");
      assert.equal(server.logs[0]!.event, "cache miss");
      // Sent several times, kept once.
      const { spans } = await ask<{ spans: number }>(collector, "/api/ui/stats");
      assert.equal(spans, 2);
      const { summaries } = await ask<{ summaries: { path: string; rootService: string }[] }>(
        collector,
        "/api/ui/summaries",
      );
      assert.equal(summaries[0]!.rootService, "frontend");
      assert.equal(collector.stats().zipkin.spans, 10);
    },
    { zipkinAddress: local },
  ));

test("of Zipkin's spans the malformed are refused, told of and counted; a body without a good one is an error", () =>
  withCollector(
    async (collector) => {
      const url = new URL("/api/v2/spans", collector.otlpEndpoint());
      const bad = zipkinSpan({ id: "xyz" });
      const partial = await post(url, JSON.stringify([bad, zipkinSpan(), bad]));
      const reason = 'span 0: id must be up to 16 hex digits, not all zero, not "xyz"';
      assert.deepEqual([partial.status, await partial.text()], [202, `2 refused: ${reason}\n`]);
      const refusals: [Uint8Array | string, Record<string, string> | undefined, number, RegExp][] = [
        [JSON.stringify([bad]), undefined, 400, /^the request is malformed: span 0: id must be/],
        ["{", undefined, 400, /^the request is malformed: not JSON: /],
        ["{}", undefined, 400, /^the request is malformed: the body must be a list of spans\n$/],
        [
          zipkinProtobuf.subarray(0, 40),
          { "content-type": "application/x-protobuf" },
          400,
          /^the request is malformed: at byte 1: /,
        ],
        [
          "[]",
          { "content-type": "text/plain" },
          415,
          /^the content type must be application\/json or application\/x-protobuf\n$/,
        ],
        ["x", { "content-type": "application/json", "content-encoding": "gzip" }, 400, /^the body is not gzip/],
        ["[]".padEnd(2001), undefined, 413, /^the body is over the limit of 2000 bytes/],
      ];
      for (const [body, headers, status, message] of refusals) {
        const answer = await post(url, body, headers);
        assert.equal(answer.headers.get("content-type"), "text/plain; charset=utf-8");
        assert.match(await answer.text(), message);
        assert.equal(answer.status, status);
      }
      const foreign = await fetch(url, {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
      });
      assert.equal(foreign.headers.get("access-control-allow-origin"), null);
      const { zipkin } = collector.stats();
      assert.deepEqual(zipkin, { spans: 1, rejected: 3, refusedRequests: 7 });
      const stats = await ask<{ rejectedSpans: number; received: object }>(collector, "/api/ui/stats");
      assert.equal(stats.rejectedSpans, 3);
      assert.deepEqual(stats.received, collector.stats());
    },
    { bodyLimitBytes: 2000 },
  ));

test("our Zipkin exporter's spans come back as they were", () =>
  withCollector(async (collector) => {
    const endpoint = new URL("/api/v2/spans", collector.otlpEndpoint()).href;
    const exporter = new ZipkinExporter({ endpoint, compression: "gzip", env: {} });
    const resource = createResource({ service: "shop", env: {} });
    const provider = new TracerProvider({ resource, processor: new BatchProcessor(exporter, { env: {} }), env: {} });
    const tracer = provider.getTracer("lib", "4.5");
    const root = tracer.startSpan("GET /cart", { kind: SpanKind.SERVER }, ROOT_CONTEXT);
    root.addEvent("cache miss", { key: "k1" });
    const attributes = { "server.address": "10.0.0.7", "service.peer.name": "stock" };
    const call = tracer.startSpan(
      "stock/Get",
      { kind: SpanKind.CLIENT, attributes },
      trace.setSpan(ROOT_CONTEXT, root),
    );
    call.setStatus({ code: SpanStatusCode.ERROR, message: "NOT_FOUND" });
    call.end();
    root.end();
    await provider.shutdown();
    const shown = await show(collector, root.spanContext().traceId, 2);
    const entry = shown.find(({ name }) => name === "GET /cart")!;
    const exit = shown.find(({ name }) => name === "stock/Get")!;
    assert.deepEqual([entry.kind, entry.service, entry.parent], ["server", "shop", ""]);
    assert.deepEqual([exit.kind, exit.service, exit.parent], ["client", "shop", entry.id]);
    assert.deepEqual(entry.logs[0], { event: "cache miss", key: "k1" });
    assert.equal(exit.tags["otel.status_description"], "NOT_FOUND");
    assert.equal(exit.tags["service.peer.name"], "stock");
    assert.equal(exit.tags["server.address"], "10.0.0.7");
    assert.equal(exit.tags["otel.scope.name"], "lib");
  }));

// SkyWalking.

const goTrace = "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003";

function segmentSpan(init: Partial<SegmentSpan> = {}): SegmentSpan {
  return {
    spanId: 0,
    parentSpanId: -1,
    startMs: 1_700_000_000_000,
    endMs: 1_700_000_000_010,
    references: [],
    operation: "GET:/orders",
    peer: "",
    type: 0,
    layer: 3,
    componentId: 49,
    isError: false,
    tags: [],
    logs: [],
    skipAnalysis: false,
    ...init,
  };
}

function segment(init: Partial<SegmentData> = {}): SegmentData {
  return {
    traceId: goTrace,
    segmentId: "orders.1.1",
    service: "orders",
    instance: "orders-1",
    isSizeLimited: false,
    spans: [
      segmentSpan({ tags: ["http.method", "GET", "url", "http://orders/orders"] }),
      segmentSpan({ spanId: 1, parentSpanId: 0, operation: "/stock", type: 1, peer: "stock:8080" }),
    ],
    ...init,
  };
}

/** What the exit of {@link segment} called. */
const called = segment({
  segmentId: "stock.1.1",
  service: "stock",
  instance: "stock-1",
  spans: [
    segmentSpan({
      operation: "GET:/stock",
      isError: true,
      logs: [{ timeMs: 1_700_000_000_001, data: ["event", "error", "error.kind", "TypeError", "message", "broken"] }],
      references: [
        {
          type: 0,
          traceId: goTrace,
          parentSegmentId: "orders.1.1",
          parentSpanId: 1,
          parentService: "orders",
          parentInstance: "orders-1",
          parentEndpoint: "GET:/orders",
          address: "stock:8080",
        },
      ],
    }),
  ],
});

async function checkOrders(collector: Collector, traceId: string = toTraceId(goTrace)): Promise<void> {
  const shown = await show(collector, traceId, 3);
  const [entry, exit, other] = ["GET:/orders", "/stock", "GET:/stock"].map(
    (name) => shown.find((span) => span.name === name)!,
  ) as [Shown, Shown, Shown];
  assert.deepEqual(
    [entry.kind, entry.service, entry.parent, entry.id],
    ["server", "orders", "", toSpanId("orders.1.1", 0)],
  );
  assert.deepEqual([exit.kind, exit.service, exit.parent], ["client", "orders", entry.id]);
  assert.deepEqual([other.kind, other.service, other.parent], ["server", "stock", exit.id]);
  assert.deepEqual([exit.tags["server.address"], exit.tags["server.port"]], ["stock", 8080]);
  assert.equal(other.tags.error, true);
  assert.equal(other.logs[0]!["exception.message"], "broken");
  const { data } = await ask<{ data: object[] }>(collector, "/api/dependencies?endTs=1700000001000&lookback=10000000");
  assert.deepEqual(data, [{ parent: "orders", child: "stock", callCount: 1 }]);
}

type RawCall = (request: RawMessage | AsyncIterable<RawMessage>) => Promise<RawMessage>;
type AnyService = (typeof skyWalking)[keyof typeof skyWalking];

/** All but the one for segments, in the order in which they should be told of. */
const allServices: readonly AnyService[] = [
  skyWalking.LogReportService,
  skyWalking.MeterReportService,
  skyWalking.JVMMetricReportService,
  skyWalking.CLRMetricReportService,
  skyWalking.EventService,
  skyWalking.SpanAttachedEventReportService,
  skyWalking.ManagementService,
  skyWalking.ConfigurationDiscoveryService,
  skyWalking.ProfileTask,
  skyWalking.PprofTask,
  skyWalking.AsyncProfilerTask,
];

/** Calls a SkyWalking service as an agent does, with bytes. */
async function withAgent(
  endpoint: URL,
  use: (call: (service: AnyService, method: string, ...messages: Uint8Array[]) => Promise<Uint8Array>) => Promise<void>,
): Promise<void> {
  const client = new GrpcClient({ endpoint: endpoint.href, codec: rawCodec });
  try {
    await use(async (service, method, ...messages) => {
      const desc = service.methods.find(({ localName }) => localName === method)!;
      const raw = messages.map((bytes) => toRawMessage(desc.input, bytes) as RawMessage);
      const call = (createServiceClient(service, client) as unknown as Record<string, RawCall>)[method]!;
      const request = desc.methodKind === "client_streaming" ? each(raw) : raw[0]!;
      return Buffer.from((await call(request)).bytes);
    });
  } finally {
    await client.close();
  }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

test("segments arrive by collect and collectInSync, on OTLP's port and on SkyWalking's", () =>
  withCollector(
    async (collector) => {
      const { TraceSegmentReportService } = skyWalking;
      await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
        const answer = await call(
          TraceSegmentReportService,
          "collect",
          encodeSegment(segment()),
          encodeSegment(called),
        );
        assert.equal(answer.length, 0);
      });
      await checkOrders(collector);
      await withAgent(collector.skywalkingGrpcEndpoint()!, async (call) => {
        const other = "0af7651916cd43dd8448eb211c80319c";
        const both = [segment({ traceId: other, segmentId: "a.1.1" }), segment({ traceId: other, segmentId: "a.1.2" })];
        assert.equal((await call(TraceSegmentReportService, "collectInSync", encodeSegments(both))).length, 0);
        assert.equal((await show(collector, other, 4)).length, 4);
      });
      assert.deepEqual(collector.stats().skywalking, { spans: 7, rejected: 0, refusedRequests: 0 });
    },
    { skywalkingGrpcAddress: local },
  ));

test("segments arrive as JSON, one or several, and reports of an instance are answered", () =>
  withCollector(
    async (collector) => {
      for (const origin of [collector.otlpEndpoint(), collector.skywalkingHttpEndpoint()!]) {
        const answers = [
          await post(new URL("/v3/segment", origin), JSON.stringify(segmentToJson(segment()))),
          await post(new URL("/v3/segments", origin), JSON.stringify([segment(), called].map(segmentToJson))),
          await post(new URL("/v3/management/reportProperties", origin), '{"service":"orders"}'),
          await post(new URL("/v3/management/keepAlive", origin), '{"service":"orders"}'),
          await post(new URL("/v3/logs", origin), "[]"),
        ];
        for (const answer of answers) assert.deepEqual([answer.status, await answer.json()], [200, {}]);
      }
      await checkOrders(collector);
    },
    { skywalkingHttpAddress: local },
  ));

test("a stream of many segments arrives whole", () =>
  withCollector(async (collector) => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const segments = Array.from({ length: 1000 }, (_, index) => segment({ traceId, segmentId: `orders.1.${index}` }));
    await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
      await call(skyWalking.TraceSegmentReportService, "collect", ...segments.map(encodeSegment));
    });
    assert.equal(collector.stats().skywalking.spans, 2000);
    assert.equal((await ask<{ spans: number }>(collector, "/api/ui/stats")).spans, 2000);
  }));

test("a malformed segment costs only itself; where nothing else came it is an error", () =>
  withCollector(async (collector) => {
    const { TraceSegmentReportService } = skyWalking;
    // Its span says that it has 99 bytes.
    const broken = Buffer.from("1a63", "hex");
    const nameless = encodeSegment(segment({ traceId: "" }));
    await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
      const [first, second] = [encodeSegment(segment()), encodeSegment(called)];
      assert.equal((await call(TraceSegmentReportService, "collect", broken, first, nameless, second)).length, 0);
      const message =
        "the request is malformed: segment 0: at byte 1: a field of 99 bytes runs 99 past the end of its message";
      await assert.rejects(call(TraceSegmentReportService, "collect", broken, nameless), { code: 400, message });
      await assert.rejects(call(TraceSegmentReportService, "collectInSync", broken), {
        code: 400,
        message: /malformed: at byte 1/,
      });
      const collection = Buffer.concat([Buffer.from([0x0a, broken.length]), broken, encodeSegments([segment()])]);
      assert.equal((await call(TraceSegmentReportService, "collectInSync", collection)).length, 0);
    });
    await checkOrders(collector);
    assert.deepEqual(collector.stats().skywalking, { spans: 5, rejected: 5, refusedRequests: 2 });

    const url = new URL("/v3/segments", collector.otlpEndpoint());
    const odd = { ...segmentToJson(segment({ segmentId: "odd" })), spans: [{ spanId: 1.5, startTime: 1 }] };
    const partial = await post(url, JSON.stringify([odd, segmentToJson(segment()), null]));
    assert.deepEqual([partial.status, await partial.json()], [200, {}]);
    const refusals: [string, string, RegExp][] = [
      ["/v3/segments", "{}", /^the request is malformed: the body must be a list of segments\n$/],
      ["/v3/segments", "no", /^the request is malformed: not JSON/],
      [
        "/v3/segments",
        JSON.stringify([odd]),
        /^the request is malformed: segment 0: a spanId must be a whole number from 0 on, not 1.5\n$/,
      ],
      [
        "/v3/segment",
        '{"traceId":"t"}',
        /^the request is malformed: segment 0: it must be an object with a traceId and a traceSegmentId\n$/,
      ],
    ];
    for (const [path, body, message] of refusals) {
      const answer = await post(new URL(path, url), body);
      assert.match(await answer.text(), message);
      assert.equal(answer.status, 400);
    }
    assert.deepEqual(collector.stats().skywalking, { spans: 7, rejected: 9, refusedRequests: 6 });
  }));

test("whatever else an agent reports or asks is answered with no commands; the log says once what is not kept", async () => {
  const lines: string[] = [];
  const quiet = (): void => {};
  const logger: Logger = {
    level: "info",
    debug: quiet,
    info: (message) => void lines.push(message),
    warn: quiet,
    error: quiet,
    with: () => logger,
  };
  await withCollector(
    async (collector) => {
      await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
        for (const service of [...allServices, ...allServices]) {
          for (const { localName } of service.methods) {
            const answer = await call(service, localName, Buffer.from("0a0161", "hex"));
            assert.equal(answer.length, 0, `${service.typeName}/${localName}`);
          }
        }
      });
    },
    { logger },
  );
  const notices = lines.filter((line) => line.includes("is answered, and what it reports is not kept"));
  assert.deepEqual(
    notices.map((line) => line.split(" ")[1]),
    [
      "LogReportService",
      "MeterReportService",
      "JVMMetricReportService",
      "CLRMetricReportService",
      "EventService",
      "SpanAttachedEventReportService",
    ],
  );
});

test("a stream that stays open is written as it comes, and told to come again when the collector stops", {
  timeout: 60_000,
}, async () => {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let calling: Promise<RawMessage> | undefined;
  let client: GrpcClient | undefined;
  await withCollector(async (collector) => {
    const { collect } = skyWalking.TraceSegmentReportService.method;
    client = new GrpcClient({ endpoint: collector.otlpGrpcEndpoint()!.href, codec: rawCodec });
    const service = createServiceClient(skyWalking.TraceSegmentReportService, client) as unknown as Record<
      string,
      RawCall
    >;
    const messages = async function* (): AsyncGenerator<RawMessage> {
      yield toRawMessage(collect.input, encodeSegment(segment()));
      yield toRawMessage(collect.input, encodeSegment(called));
      await ended;
    };
    calling = service.collect!(messages());
    await checkOrders(collector);
    const refused = assert.rejects(calling, { code: 503, message: "the collector stops" });
    const signal = AbortSignal.timeout(50_000);
    await collector.stop(signal);
    await refused;
    assert.equal(signal.aborted, false);
  });
  end();
  await client!.close();
});

test("a store that has too much waiting is told as UNAVAILABLE, with a time to come again, and nothing is lost that is sent again", () =>
  withCollector(
    async (collector) => {
      const exporter = new SkyWalkingExporter({
        service: "orders",
        instance: "orders-1",
        backends: [collector.otlpGrpcEndpoint()!.host],
        env: {},
      });
      try {
        const traceIds: string[] = [];
        const send = async (): Promise<string | undefined> => {
          const traceId = `${traceIds.push("")}`.padStart(32, "0");
          traceIds[traceIds.length - 1] = traceId;
          const { outcome } = await exporter.export([segment({ traceId, segmentId: `${traceId}.1` })]);
          if (outcome === "exported") return undefined;
          assert.equal(outcome, "unavailable");
          return traceId;
        };
        const busy: string[] = [];
        // One of those that come while another is written.
        for (let tries = 0; collector.stats().skywalking.refusedRequests === 0; tries++) {
          assert.ok(tries < 50, "none was refused");
          const sent = await Promise.all(Array.from({ length: 20 }, send));
          busy.push(...sent.filter((traceId) => traceId !== undefined));
        }
        assert.ok(busy.length > 0);
        for (const traceId of busy) {
          const again = [segment({ traceId, segmentId: `${traceId}.1` })];
          // What was cut off with another's connection may still be on its way into the store.
          for (let tries = 0; (await exporter.export(again)).outcome !== "exported"; tries++) assert.ok(tries < 3000);
        }
        for (const traceId of traceIds) assert.equal((await show(collector, traceId, 2)).length, 2);
      } finally {
        await exporter.shutdown();
      }
    },
    { maxWaitingBytes: 1 },
  ));

test("our own segments, over gRPC and HTTP, are the same trace that OTLP would tell", async () => {
  await withCollector(async (collector) => {
    for (const [protocol, backend] of [
      ["grpc", collector.otlpGrpcEndpoint()!.host],
      ["http", collector.otlpEndpoint().host],
    ] as const) {
      const exporter = new SkyWalkingExporter({
        service: "orders",
        instance: "orders-1",
        backends: [backend],
        protocol,
        env: {},
      });
      try {
        const traceId = toTraceId(protocol);
        const [one, other] = [
          segment({ traceId }),
          {
            ...called,
            traceId,
            spans: [{ ...called.spans[0]!, references: [{ ...called.spans[0]!.references[0]!, traceId }] }],
          },
        ];
        assert.deepEqual(await exporter.export([one, other]), { outcome: "exported" });
        const shown = await show(collector, traceId, 3);
        assert.deepEqual(shown.map(({ service }) => service).sort(), ["orders", "orders", "stock"]);
        for (let tries = 0; exporter.stats().heartbeats === 0; tries++) {
          assert.ok(tries < 3000, exporter.stats().lastError);
          await sleep(20);
        }
        assert.equal(exporter.stats().lastError, undefined);
      } finally {
        await exporter.shutdown();
      }
    }
  });
});
