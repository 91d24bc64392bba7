import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { SkyWalkingExporter, type SkyWalkingTracingOptions, startTracing } from "@clew/exporter";
import { ServiceError } from "@clew/rpc";
import { withSpan } from "@clew/trace";
import {
  encodeInstance,
  encodeLog,
  encodeMeters,
  encodeSegment,
  type SegmentData,
  SegmentProcessor,
  segmentFromJson,
  segmentToJson,
} from "@clew/trace/skywalking";
import { type Span, SpanKind, trace } from "@opentelemetry/api";
import { until } from "../../http2/test/until.ts";
import { freePort } from "../../transport/test/free-ports.ts";
import { SegmentObjectSchema } from "../src/gen/skywalking/v3/agent_pb.ts";
import { cleanUps } from "./clean-up.ts";
import { type Collector, type CollectorOptions, startCollector } from "./skywalking-collector.ts";

async function collector(options?: CollectorOptions): Promise<Collector> {
  const started = await startCollector(options);
  cleanUps.push(() => started.stop());
  return started;
}

function exporterTo(backends: readonly string[], options: SkyWalkingTracingOptions = {}): SkyWalkingExporter {
  const exporter = new SkyWalkingExporter({ backends, service: "shop", instance: "shop-1", env: {}, ...options });
  cleanUps.push(() => exporter.shutdown());
  return exporter;
}

const pair = ["http.method", "GET"];
const segment: SegmentData = {
  traceId: "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003",
  segmentId: "s.1.1",
  service: "shop",
  instance: "shop-1",
  isSizeLimited: true,
  spans: [
    {
      spanId: 0,
      parentSpanId: -1,
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_005,
      references: [
        {
          type: 1,
          traceId: "t",
          parentSegmentId: "p",
          parentSpanId: 300,
          parentService: "zoë",
          parentInstance: "i",
          parentEndpoint: "x".repeat(200),
          address: "h:80",
        },
      ],
      operation: "GET:/b",
      peer: "",
      type: 0,
      layer: 3,
      componentId: 49,
      isError: true,
      tags: [...pair, "", ""],
      logs: [{ timeMs: 1_700_000_000_001, data: ["event", "error", "stack", "at\n".repeat(100)] }],
      skipAnalysis: true,
    },
    {
      spanId: 1,
      parentSpanId: 0,
      startMs: 1_700_000_000_001,
      endMs: 1_700_000_000_002,
      references: [],
      operation: "SELECT",
      peer: "db:5432",
      type: 1,
      layer: 1,
      componentId: 4006,
      isError: false,
      tags: [],
      logs: [],
      skipAnalysis: false,
    },
  ],
};

test("our segments are what protobuf-es writes from the protocol, bytes and JSON", () => {
  const message = create(SegmentObjectSchema, {
    traceId: segment.traceId,
    traceSegmentId: "s.1.1",
    service: "shop",
    serviceInstance: "shop-1",
    isSizeLimited: true,
    spans: segment.spans.map((span) => ({
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      startTime: BigInt(span.startMs),
      endTime: BigInt(span.endMs),
      refs: span.references.map((reference) => ({
        refType: reference.type,
        traceId: reference.traceId,
        parentTraceSegmentId: reference.parentSegmentId,
        parentSpanId: reference.parentSpanId,
        parentService: reference.parentService,
        parentServiceInstance: reference.parentInstance,
        parentEndpoint: reference.parentEndpoint,
        networkAddressUsedAtPeer: reference.address,
      })),
      operationName: span.operation,
      peer: span.peer,
      spanType: span.type,
      spanLayer: span.layer,
      componentId: span.componentId,
      isError: span.isError,
      tags: pairs(span.tags),
      logs: span.logs.map(({ timeMs, data }) => ({ time: BigInt(timeMs), data: pairs(data) })),
      skipAnalysis: span.skipAnalysis,
    })),
  });
  assert.equal(
    encodeSegment(segment).toString("hex"),
    Buffer.from(toBinary(SegmentObjectSchema, message)).toString("hex"),
  );
  // protobuf writes int64 as text, agents as numbers; both are read.
  assert.deepEqual(segmentFromJson(toJson(SegmentObjectSchema, message, { alwaysEmitImplicit: true })), segment);
  assert.deepEqual(segmentFromJson(JSON.parse(JSON.stringify(segmentToJson(segment)))), segment);
});

function pairs(flat: readonly string[]): { key: string; value: string }[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    key: flat[2 * index]!,
    value: flat[2 * index + 1]!,
  }));
}

test("properties, logs and meters have the bytes that protoc gives them", () => {
  const identity = { service: "svc2", instance: "ins2" };
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  assert.equal(
    hex(encodeInstance({ ...identity, properties: ["language", "nodejs"], layer: "GENERAL" })),
    "0a04737663321204696e73321a120a086c616e677561676512066e6f64656a73220747454e4552414c",
  );
  const [meter] = encodeMeters([{ name: "m", labels: ["k", "v"], value: 1.5 }], identity, 1_700_000_000_000);
  assert.equal(hex(meter!), "0a140a016d12060a016b12017619000000000000f83f1a04737663322204696e73322880d095ffbc31");
  const log = encodeLog({
    ...identity,
    timeMs: 1_700_000_000_000,
    endpoint: "GET:/b",
    text: "hi",
    span: { traceId: "t.1.1", segmentId: "s.1.1", spanId: 0 },
    tags: ["LEVEL", "info"],
    layer: "GENERAL",
  });
  assert.equal(
    hex(log),
    "0880d095ffbc311204737663321a04696e733222064745543a2f622a0c0a045445585412040a026869320e0a05742e312e311205732e312e313a0f0a0d0a" +
      "054c4556454c1204696e666f420747454e4552414c",
  );
});

test("segments arrive over gRPC as they were, with token and version; the instance tells who it is", async () => {
  const { address, segments, instances, pings, calls } = await collector();
  const exporter = exporterTo([address], { authentication: "secret", heartbeatMs: 20, properties: { zone: "b" } });
  assert.deepEqual(await exporter.export([segment, { ...segment, segmentId: "s.1.2" }]), { outcome: "exported" });
  assert.deepEqual(segments, [segment, { ...segment, segmentId: "s.1.2" }]);
  await until(() => pings.length > 10 && instances.length > 1, "heartbeats, and the properties again");
  assert.ok(calls.every((call) => call.metadata.get("authentication") === "secret"));
  assert.match(calls[0]!.metadata.get("agent-version")!, /^clew-/);
  const [{ service, serviceInstance, properties, layer } = assert.fail()] = instances;
  assert.deepEqual([service, serviceInstance, layer], ["shop", "shop-1", "GENERAL"]);
  const found = new Map(properties.map(({ key, value }) => [key, value]));
  assert.equal(found.get("language"), "nodejs");
  assert.equal(found.get("Process No."), String(process.pid));
  assert.equal(found.get("zone"), "b");
  assert.equal(exporter.stats().exported, 2);
});

test("a backend that is away is left for another; with none the segments stay the caller's", async () => {
  const gone = await startCollector({ port: await freePort() });
  await gone.stop();
  const there = await collector();
  const exporter = exporterTo([gone.address, there.address], { timeoutMs: 30_000 });
  for (let index = 0; index < 3; index++) assert.equal((await exporter.export([segment])).outcome, "exported");
  assert.equal(there.segments.length, 3);
  const lost = await exporterTo([gone.address]).export([segment]);
  assert.equal(lost.outcome, "unavailable");
  assert.ok(lost.retryAfterMs! >= 500 && lost.retryAfterMs! <= 30_000);
});

test("the queue keeps segments while the collector is away, and sends them when it is back", async () => {
  const first = await startCollector({ port: await freePort() });
  await first.stop();
  const exporter = exporterTo([first.address], { heartbeatMs: 60_000 });
  const processor = new SegmentProcessor(exporter, { service: "shop", instance: "shop-1", env: {}, delayMs: 5 });
  const { TracerProvider } = await import("@clew/trace");
  const tracer = new TracerProvider({ processor, ids: processor, env: {} }).getTracer("test");
  tracer.startSpan("a", { kind: SpanKind.SERVER }).end();
  await processor.forceFlush();
  assert.equal(processor.stats().waiting, 1);
  const second = await collector({ port: first.port });
  await processor.forceFlush();
  assert.equal(second.segments.length, 1);
  assert.equal(processor.stats().exported, 1);
  await processor.shutdown();
});

test("what is refused is counted and not sent again; a collector without the service too", async () => {
  const strict = await collector({
    refuse: () => {
      throw new ServiceError(403, "NO", "wrong token");
    },
  });
  const refused = exporterTo([strict.address]);
  assert.equal((await refused.export([segment])).outcome, "failed");
  assert.match(refused.stats().lastError!, /wrong token/);
  const bare = await collector({ services: ["trace"] });
  const exporter = exporterTo([bare.address], { heartbeatMs: 10 });
  assert.equal((await exporter.export([segment])).outcome, "exported");
  assert.equal(bare.segments.length, 1);
});

test("over HTTP segments, properties and heartbeats are JSON", async () => {
  const posts: { url: string; body: unknown; token: unknown }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      posts.push({ url: request.url!, body, token: request.headers.authentication });
      response.end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const exporter = exporterTo([address], { protocol: "http", authentication: "t", heartbeatMs: 10 });
  assert.equal((await exporter.export([segment])).outcome, "exported");
  await until(() => posts.some(({ url }) => url === "/v3/management/keepAlive"), "a heartbeat");
  const sent = posts.find(({ url }) => url === "/v3/segments")!;
  assert.deepEqual(segmentFromJson((sent.body as unknown[])[0]), segment);
  assert.equal(sent.token, "t");
  assert.ok(posts.some(({ url }) => url === "/v3/management/reportProperties"));
});

test("over mutual TLS, by the variables of Go's agent; a stranger is not spoken to, unless nobody is checked", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skywalking-tls-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  for (const name of ["server", "client"]) {
    const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    const files = ["-keyout", at(`${name}.key`), "-out", at(`${name}.crt`)];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync("openssl", ["req", "-x509", ...key, ...files, "-days", "2", ...subject], { stdio: "ignore" });
  }
  const read = (name: string): Buffer => readFileSync(at(name));
  const { address, segments } = await collector({
    tls: {
      cert: read("server.crt"),
      key: read("server.key"),
      ca: read("client.crt"),
      requestCert: true,
      rejectUnauthorized: true,
    },
  });
  const shown = {
    SW_AGENT_REPORTER_GRPC_TLS_ENABLE: "true",
    SW_AGENT_REPORTER_GRPC_TLS_CLIENT_CERT_CHAIN_PATH: at("client.crt"),
    SW_AGENT_REPORTER_GRPC_TLS_CLIENT_KEY_PATH: at("client.key"),
  };
  const trusting = exporterTo([address], { env: { ...shown, SW_AGENT_REPORTER_GRPC_TLS_CA_PATH: at("server.crt") } });
  assert.equal((await trusting.export([segment])).outcome, "exported");
  const suspicious = exporterTo([address], { env: shown });
  assert.equal((await suspicious.export([segment])).outcome, "unavailable");
  const careless = exporterTo([address], {
    env: { ...shown, SW_AGENT_REPORTER_GRPC_TLS_INSECURE_SKIP_VERIFY: "true" },
  });
  assert.equal((await careless.export([segment])).outcome, "exported");
  assert.equal(segments.length, 2);
});

test("the variables of both agents are read; nonsense is named", () => {
  const of = (env: Record<string, string>): SkyWalkingExporter["settings"] => {
    const exporter = new SkyWalkingExporter({ env });
    cleanUps.push(() => exporter.shutdown());
    return exporter.settings;
  };
  const node = of({
    SW_AGENT_NAME: "cart",
    SW_AGENT_INSTANCE: "cart-7",
    SW_AGENT_COLLECTOR_BACKEND_SERVICES: "a:1, b:2",
    SW_AGENT_AUTHENTICATION: "x",
    SW_AGENT_SECURE: "true",
    SW_AGENT_TRACE_TIMEOUT: "77",
  });
  assert.deepEqual(node.identity, { service: "cart", instance: "cart-7" });
  assert.deepEqual(
    [node.backends, node.headers.authentication, node.isSecure, node.timeoutMs],
    [["a:1", "b:2"], "x", true, 77],
  );
  const go = of({
    SW_AGENT_INSTANCE_NAME: "go-1",
    SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE: "c:3",
    SW_AGENT_REPORTER_GRPC_AUTHENTICATION: "y",
    SW_AGENT_REPORTER_GRPC_TLS_ENABLE: "true",
    SW_AGENT_REPORTER_GRPC_TLS_INSECURE_SKIP_VERIFY: "true",
    SW_AGENT_REPORTER_CHECK_INTERVAL: "5",
    SW_INSTANCE_PROPERTIES_JSON: '{"zone":1}',
  });
  assert.deepEqual([go.identity.instance, go.backends, go.headers.authentication], ["go-1", ["c:3"], "y"]);
  assert.deepEqual([go.isSecure, go.tls.rejectUnauthorized, go.heartbeatMs], [true, false, 5000]);
  assert.deepEqual(go.properties, { zone: "1" });
  assert.throws(() => of({ SW_AGENT_COLLECTOR_BACKEND_SERVICES: "http://x" }), { code: "CLEW_EXPORTER_BACKEND" });
  assert.throws(() => of({ SW_INSTANCE_PROPERTIES_JSON: "[" }), { code: "CLEW_EXPORTER_PROPERTIES" });
  assert.throws(() => of({ SW_AGENT_TRACE_TIMEOUT: "soon" }), { code: "CLEW_EXPORTER_TIMEOUT" });
});

test("startTracing sends segments and spans from the same record", async () => {
  const { address, segments } = await collector();
  const spans: string[] = [];
  const exporter = {
    async export(given: readonly { spanId: string }[]) {
      spans.push(...given.map(({ spanId }) => spanId));
      return { outcome: "exported" as const };
    },
    async shutdown() {},
  };
  const tracing = startTracing({ exporter, env: {}, service: "both", skywalking: { backends: [address], ids: "go" } });
  let root: Span | undefined;
  try {
    await withSpan("entry", { kind: SpanKind.SERVER }, async (span) => {
      root = span;
      await withSpan("below", async () => trace.getActiveSpan()?.setAttribute("a", 1));
    });
  } finally {
    await tracing.shutdown();
  }
  assert.equal(spans.length, 2);
  assert.equal(segments.length, 1);
  assert.equal(segments[0]!.service, "both");
  assert.deepEqual(
    segments[0]!.spans.map(({ operation }) => operation),
    ["entry", "below"],
  );
  assert.equal(root!.spanContext().traceState?.get("sw"), segments[0]!.traceId);
  assert.equal(tracing.segmentStats()?.exported, 1);
});
