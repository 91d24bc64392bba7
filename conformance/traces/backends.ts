// Our spans in Jaeger, Zipkin and our own collector, through each of our exporters, as their query APIs show them.
import assert from "node:assert/strict";
import { OtlpExporter, ZipkinExporter } from "@clew/exporter";
import { BatchProcessor, createResource, type SpanExporter, TracerProvider } from "@clew/trace";
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { findTrace, type JaegerSpan, tagOf } from "./jaeger-trace.ts";
import type { Case } from "./relays.ts";

export interface Backends {
  readonly jaeger: { readonly http: string; readonly grpc: string; readonly query: string };
  readonly zipkin: { readonly query: string };
  readonly collector: { readonly http: string; readonly grpc: string; readonly ui: string };
}

export function backendCases({ jaeger, zipkin, collector }: Backends): Case[] {
  const cases: Case[] = [];
  const compression = "gzip";
  for (const [name, { http, grpc }, query] of [
    ["jaeger", jaeger, jaeger.query],
    ["our collector", collector, collector.ui],
  ] as const) {
    for (const protocol of ["http/protobuf", "http/json", "grpc"] as const) {
      const endpoint = protocol === "grpc" ? grpc : http;
      const open = (): SpanExporter => new OtlpExporter({ protocol, endpoint, compression, env: {} });
      cases.push({ name: `clew's spans in ${name} by ${protocol}`, run: () => checkInJaeger(open, query, protocol) });
    }
  }
  const open = (): SpanExporter =>
    new ZipkinExporter({ endpoint: `${zipkin.query}/api/v2/spans`, compression, env: {} });
  cases.push({ name: "clew's spans in zipkin", run: () => checkInZipkin(open, zipkin.query) });
  return cases;
}

const linked = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };

/** What two services do: one serves a request, asks the other, which fails, and leaves a message for it to work on. */
async function makeTrace(
  open: () => SpanExporter,
  suffix: string,
): Promise<{ traceId: string; shop: string; stock: string }> {
  const [shop, stock] = [`shop-${suffix}`, `stock-${suffix}`];
  const [one, other] = [shop, stock].map((service) => {
    const attributes = { "deployment.environment.name": "conformance", "k8s.pod.name": `${service}-7f9c` };
    const resource = createResource({ service, version: "1.2.3", attributes, env: {} });
    return new TracerProvider({ resource, processor: new BatchProcessor(open(), { env: {} }) });
  }) as [TracerProvider, TracerProvider];
  const [ours, theirs] = [one.getTracer("lib", "4.5"), other.getTracer("lib", "4.5")];
  const root = ours.startSpan(
    "GET /cart",
    {
      kind: SpanKind.SERVER,
      attributes: { "url.path": "/cart ä€😀", count: 3, ratio: 0.5, ok: true, list: ["a", "b"] },
    },
    ROOT_CONTEXT,
  );
  const inRoot = trace.setSpan(context.active(), root);
  const client = ours.startSpan(
    "stock/Get",
    { kind: SpanKind.CLIENT, attributes: { "peer.service": stock, "server.address": "10.0.0.7" } },
    inRoot,
  );
  const server = theirs.startSpan("stock/Get", { kind: SpanKind.SERVER }, trace.setSpan(ROOT_CONTEXT, client));
  server.addEvent("cache miss", { key: "k1" });
  server.recordException(new Error("no such item"));
  server.setStatus({ code: SpanStatusCode.ERROR, message: "no such item" });
  server.end();
  client.setStatus({ code: SpanStatusCode.ERROR, message: "NOT_FOUND" });
  client.end();
  const producer = ours.startSpan("orders send", { kind: SpanKind.PRODUCER }, inRoot);
  const consumer = theirs.startSpan(
    "orders process",
    { kind: SpanKind.CONSUMER, links: [{ context: linked, attributes: { why: "batch" } }] },
    trace.setSpan(ROOT_CONTEXT, producer),
  );
  consumer.setStatus({ code: SpanStatusCode.OK });
  consumer.end();
  producer.end();
  ours.startSpan("render", { kind: SpanKind.INTERNAL }, inRoot).end();
  root.end();
  await Promise.all([one.shutdown(), other.shutdown()]);
  return { traceId: root.spanContext().traceId, shop, stock };
}

const shape = [
  ["GET /cart", "server", "shop", "", false],
  ["stock/Get", "client", "shop", "GET /cart/server", true],
  ["stock/Get", "server", "stock", "stock/Get/client", true],
  ["orders send", "producer", "shop", "GET /cart/server", false],
  ["orders process", "consumer", "stock", "orders send/producer", false],
  ["render", "internal", "shop", "GET /cart/server", false],
];

async function checkInJaeger(open: () => SpanExporter, query: string, protocol: string): Promise<void> {
  const suffix = protocol.replace("/", "-");
  const { traceId, shop, stock } = await makeTrace(open, suffix);
  const { spans, processes } = await findTrace(query, traceId, shape.length);
  const byId = new Map(spans.map((span) => [span.spanID, span]));
  const nameOf = (span: JaegerSpan): string =>
    `${span.operationName}/${String(tagOf(span, "span.kind") ?? "internal")}`;
  const parentOf = (span: JaegerSpan): string => {
    const reference = span.references.find(({ refType }) => refType === "CHILD_OF");
    return reference === undefined ? "" : nameOf(byId.get(reference.spanID)!);
  };
  const found = spans.map((span) => [
    span.operationName,
    String(tagOf(span, "span.kind") ?? "internal"),
    processes[span.processID]!.serviceName.replace(`-${suffix}`, ""),
    parentOf(span),
    tagOf(span, "error") === true,
  ]);
  assert.deepEqual(found.sort(), [...shape].sort());

  const root = spans.find(({ operationName }) => operationName === "GET /cart")!;
  assert.deepEqual(
    ["url.path", "count", "ratio", "ok"].map((key) => tagOf(root, key)),
    ["/cart ä€😀", 3, 0.5, true],
  );
  assert.deepEqual(JSON.parse(String(tagOf(root, "list"))), ["a", "b"]);
  assert.equal(tagOf(root, "otel.scope.name"), "lib");
  const process = processes[root.processID]!;
  const resource = Object.fromEntries(process.tags.map(({ key, value }) => [key, value]));
  assert.equal(resource["service.version"], "1.2.3");
  assert.equal(resource["deployment.environment.name"], "conformance");
  assert.equal(resource["k8s.pod.name"], `${shop}-7f9c`);

  const failed = spans.find((span) => nameOf(span) === "stock/Get/server")!;
  assert.equal(tagOf(failed, "otel.status_description"), "no such item");
  const events = failed.logs.map(({ fields }) => Object.fromEntries(fields.map(({ key, value }) => [key, value])));
  assert.equal(events[0]!.event, "cache miss");
  assert.equal(events[0]!.key, "k1");
  assert.equal(events[1]!.event, "exception");
  assert.equal(events[1]!["exception.message"], "no such item");
  const consumer = spans.find(({ operationName }) => operationName === "orders process")!;
  const link = consumer.references.find(({ refType }) => refType === "FOLLOWS_FROM");
  assert.deepEqual([link?.traceID, link?.spanID], [linked.traceId, linked.spanId]);

  const ask = async (path: string): Promise<unknown> =>
    ((await (await fetch(`${query}${path}`)).json()) as { data: unknown }).data;
  const services = (await ask("/api/services")) as string[];
  assert.ok(services.includes(shop) && services.includes(stock), `services: ${services.join(" ")}`);
  const operations = (await ask(`/api/services/${stock}/operations`)) as string[];
  assert.deepEqual([...operations].sort(), ["orders process", "stock/Get"]);
  const searched = (await ask(`/api/traces?service=${stock}&tags=${encodeURIComponent('{"error":"true"}')}`)) as {
    traceID: string;
  }[];
  assert.deepEqual(
    searched.map(({ traceID }) => traceID),
    [traceId],
  );
}

interface ZipkinSpan {
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: string;
  readonly localEndpoint: { readonly serviceName: string };
  readonly remoteEndpoint?: { readonly serviceName?: string };
  readonly annotations?: readonly { readonly value: string }[];
  readonly tags?: Readonly<Record<string, string>>;
}

async function checkInZipkin(open: () => SpanExporter, query: string): Promise<void> {
  const { traceId, shop, stock } = await makeTrace(open, "zipkin");
  const ask = async (path: string): Promise<unknown> => (await fetch(`${query}/api/v2${path}`)).json();
  let spans: ZipkinSpan[] = [];
  for (let tries = 0; tries < 1200 && spans.length < shape.length; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const answer = await ask(`/trace/${traceId}`);
    if (Array.isArray(answer)) spans = answer as ZipkinSpan[];
  }
  const byId = new Map(spans.map((span) => [span.id, span]));
  const nameOf = ({ name, kind = "INTERNAL" }: ZipkinSpan): string => `${name}/${kind.toLowerCase()}`;
  const found = spans.map((span) => [
    span.name,
    (span.kind ?? "INTERNAL").toLowerCase(),
    span.localEndpoint.serviceName.replace("-zipkin", ""),
    span.parentId === undefined ? "" : nameOf(byId.get(span.parentId)!),
    span.tags?.error !== undefined,
  ]);
  // Zipkin writes names in lower case.
  const lower = shape.map(([name, kind, service, parent, isError]) => [
    String(name).toLowerCase(),
    kind,
    service,
    String(parent).toLowerCase(),
    isError,
  ]);
  assert.deepEqual(found.sort(), lower.sort());
  const root = spans.find(({ name }) => name === "get /cart")!;
  assert.deepEqual(
    ["url.path", "count", "ratio", "ok", "list", "otel.scope.name", "k8s.pod.name"].map((key) => root.tags?.[key]),
    ["/cart ä€😀", "3", "0.5", "true", '["a","b"]', "lib", `${shop}-7f9c`],
  );
  const client = spans.find((span) => nameOf(span) === "stock/get/client")!;
  assert.equal(client.remoteEndpoint?.serviceName, stock);
  const failed = spans.find((span) => nameOf(span) === "stock/get/server")!;
  assert.equal(failed.tags?.error, "no such item");
  assert.equal(failed.tags?.["otel.status_code"], "ERROR");
  assert.equal(failed.annotations?.[0]?.value, '"cache miss": {"key":"k1"}');
  assert.match(failed.annotations?.[1]?.value ?? "", /^"exception": \{.*"exception.message":"no such item"/);

  const services = (await ask("/services")) as string[];
  assert.ok(services.includes(shop) && services.includes(stock), `services: ${services.join(" ")}`);
  const links = (await ask(`/dependencies?endTs=${Date.now() + 60_000}&lookback=3600000`)) as {
    parent: string;
    child: string;
    callCount: number;
    errorCount?: number;
  }[];
  const link = links.find(({ parent, child }) => parent === shop && child === stock);
  assert.ok(link !== undefined && link.callCount >= 1 && link.errorCount === 1, JSON.stringify(links));
}
