import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { ZipkinExporter } from "@clew/exporter";
import { BatchProcessor, createResource, TracerProvider } from "@clew/trace";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { get, local, post, withCollector } from "./running-collector.ts";
import { type Shown, show } from "./shown-trace.ts";

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
      const { json: stats } = await get<{ spans: number }>(collector, "/api/ui/stats");
      assert.equal(stats.spans, 2);
      const { json: page } = await get<{ summaries: { rootService: string }[] }>(collector, "/api/ui/summaries");
      assert.equal(page.summaries[0]!.rootService, "frontend");
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
      const { json: stats } = await get<{ rejectedSpans: number; received: object }>(collector, "/api/ui/stats");
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
