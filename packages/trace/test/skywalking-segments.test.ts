import assert from "node:assert/strict";
import { test } from "node:test";
import { alwaysOff, composeProcessors, TailProcessor, TracerProvider } from "@clew/trace";
import { parseSw8, segmentToSpans, toSpanId, toTraceId } from "@clew/trace/skywalking";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { until } from "../../http2/test/until.ts";
import { keepSpans } from "./keep-spans.ts";
import { createWorld, goSegment, receive, sample, send, under } from "./skywalking-world.ts";

test("root and children leave as one segment, root first, when all have ended", async () => {
  const { tracer, flush } = createWorld();
  const root = tracer.startSpan("GET /orders/{id}", {
    kind: SpanKind.SERVER,
    attributes: {
      "http.request.method": "GET",
      "url.path": "/orders/7",
      "url.scheme": "http",
      "server.address": "shop",
    },
  });
  const local = tracer.startSpan("work", {}, under(root));
  const exit = tracer.startSpan(
    "SELECT",
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "db.system.name": "postgresql",
        "db.namespace": "orders",
        "db.query.text": "select 1",
        "server.address": "db",
        "server.port": 5432,
      },
    },
    under(local),
  );
  exit.end();
  local.recordException(new TypeError("broken"));
  local.setStatus({ code: SpanStatusCode.ERROR, message: "broken" });
  local.end();
  root.setAttribute("http.response.status_code", 200);
  root.end();
  const [segment, ...others] = await flush();
  assert.equal(others.length, 0);
  assert.deepEqual(
    segment!.spans.map(({ spanId, parentSpanId, operation, type, layer, componentId, peer, isError }) => {
      return [spanId, parentSpanId, operation, type, layer, componentId, peer, isError];
    }),
    [
      [0, -1, "GET:/orders/{id}", 0, 3, 49, "", false],
      [1, 0, "work", 2, 0, 0, "", true],
      [2, 1, "SELECT", 1, 1, 22, "db:5432", false],
    ],
  );
  assert.equal(segment!.traceId, root.spanContext().traceId);
  assert.equal(segment!.service, "shop");
  assert.equal(segment!.instance, "shop-1");
  const tags = segment!.spans[0]!.tags;
  assert.equal(tags[tags.indexOf("url") + 1], "http://shop/orders/7");
  assert.equal(tags[tags.indexOf("http.status_code") + 1], "200");
  const exitTags = segment!.spans[2]!.tags;
  assert.deepEqual(exitTags.slice(0, 6), [
    "db.type",
    "PostgreSQL",
    "db.instance",
    "orders",
    "db.statement",
    "select 1",
  ]);
  const [log] = segment!.spans[1]!.logs;
  assert.deepEqual(log!.data.slice(0, 6), ["event", "error", "error.kind", "TypeError", "message", "broken"]);
  assert.equal(log!.data[6], "stack");
});

test("the peer of a call is its address, and without one the name of the service there", async () => {
  const { tracer, flush } = createWorld();
  const root = tracer.startSpan("GET /orders", { kind: SpanKind.SERVER, attributes: { "service.peer.name": "web" } });
  for (const attributes of [
    { "service.peer.name": "stock", "server.address": "10.0.0.7", "server.port": 8080 },
    { "service.peer.name": "stock", "url.full": "http://stock.local/items" },
    { "peer.service": "old", "service.peer.name": "stock" },
    { "peer.service": "old" },
  ]) {
    tracer.startSpan("call", { kind: SpanKind.CLIENT, attributes }, under(root)).end();
  }
  root.end();
  const [segment] = await flush();
  assert.deepEqual(
    segment!.spans.map(({ peer }) => peer),
    ["", "10.0.0.7:8080", "stock.local:80", "stock", "old"],
  );
});

test("the ids of spans follow from segment and number, for whatever else exports them", async () => {
  const spans = keepSpans();
  const { processor, segments } = createWorld();
  const provider = new TracerProvider({ processor: composeProcessors(spans, processor), ids: processor, env: {} });
  const tracer = provider.getTracer("test");
  const root = tracer.startSpan("a", { kind: SpanKind.SERVER }, receive({ sw8: sample }));
  tracer.startSpan("b", {}, under(root)).end();
  root.end();
  await processor.forceFlush();
  const [segment] = segments;
  const decoded = segmentToSpans(segment!);
  assert.deepEqual(
    decoded.map(({ traceId, spanId, parentSpanId }) => [traceId, spanId, parentSpanId]).sort(),
    spans.spans.map(({ traceId, spanId, parentSpanId }) => [traceId, spanId, parentSpanId]).sort(),
  );
  assert.equal(decoded[0]!.spanId, toSpanId(segment!.segmentId, 0));
  assert.equal(decoded[0]!.parentSpanId, toSpanId(goSegment, 2));
  assert.equal(decoded[0]!.traceState, spans.spans[1]!.traceState);
});

test("Go's ids on request: a new trace has one, and tracestate keeps it", async () => {
  const { tracer, flush } = createWorld({ ids: "go" });
  const root = tracer.startSpan("a", { kind: SpanKind.SERVER });
  root.end();
  const [segment] = await flush();
  assert.match(segment!.traceId, /^[0-9a-f]{32}\.\d+\.\d{17,}$/);
  assert.match(segment!.segmentId, /^[0-9a-f]{32}\.\d+\.\d{17,}$/);
  assert.equal(root.spanContext().traceId, toTraceId(segment!.traceId));
  assert.equal(root.spanContext().traceState?.get("sw"), segment!.traceId);
});

test("an entry inside an entry is one span with the inner name; an exit inside an exit one with the outer", async () => {
  const { tracer, flush } = createWorld();
  const outer = tracer.startSpan("GET", { kind: SpanKind.SERVER, attributes: { "http.request.method": "GET" } });
  const inner = tracer.startSpan("GET /users/{id}", { kind: SpanKind.SERVER }, under(outer));
  const client = tracer.startSpan(
    "orders.Get",
    { kind: SpanKind.CLIENT, attributes: { "rpc.system": "grpc" } },
    under(inner),
  );
  const http = tracer.startSpan(
    "POST",
    { kind: SpanKind.CLIENT, attributes: { "server.address": "orders", "server.port": 9000 } },
    under(client),
  );
  const { place } = parseSw8(send(under(http)).sw8!)!;
  assert.equal(place.number, 1);
  assert.equal(place.endpoint, "GET:/users/{id}");
  for (const span of [http, client, inner, outer]) span.end();
  const [segment] = await flush();
  assert.deepEqual(
    segment!.spans.map(({ spanId, parentSpanId, operation, peer }) => [spanId, parentSpanId, operation, peer]),
    [
      [0, -1, "GET:/users/{id}", ""],
      [1, 0, "orders.Get", "orders:9000"],
    ],
  );
});

test("a segment waits a while for late children; then they continue it, with a reference to their parent", async () => {
  const { tracer, segments, processor } = createWorld({ lateTimeoutMs: 20, delayMs: 5 });
  const root = tracer.startSpan("a", { kind: SpanKind.SERVER });
  const early = tracer.startSpan("early", {}, under(root));
  const late = tracer.startSpan("late", {}, under(early));
  root.end();
  early.end();
  await until(() => segments.length > 0, "the segment leaves");
  assert.deepEqual(
    segments[0]!.spans.map(({ operation }) => operation),
    ["a", "early"],
  );
  late.end();
  const later = tracer.startSpan("later", {}, under(root));
  const below = tracer.startSpan("below", {}, under(later));
  below.end();
  later.end();
  await processor.forceFlush();
  const [first, second, third] = segments;
  assert.equal(second!.traceId, first!.traceId);
  assert.notEqual(second!.segmentId, first!.segmentId);
  assert.deepEqual(second!.spans[0]!.references, [
    {
      type: 1,
      traceId: first!.traceId,
      parentSegmentId: first!.segmentId,
      parentSpanId: 1,
      parentService: "shop",
      parentInstance: "shop-1",
      parentEndpoint: "a",
      address: "",
    },
  ]);
  assert.deepEqual(
    third!.spans.map(({ spanId, parentSpanId, references }) => [spanId, parentSpanId, references[0]?.parentSpanId]),
    [
      [0, -1, 0],
      [1, 0, undefined],
    ],
  );
  assert.equal(processor.stats().continued, 1);
});

test("300 spans are kept, the rest is told of, and a call made by one of them comes from the first span", async () => {
  const { tracer, flush, processor } = createWorld();
  const root = tracer.startSpan("a", { kind: SpanKind.SERVER });
  for (let index = 0; index < 299; index++) tracer.startSpan(`s${index}`, {}, under(root)).end();
  const beyond = tracer.startSpan("beyond", { kind: SpanKind.CLIENT }, under(root));
  assert.equal(parseSw8(send(under(beyond)).sw8!)!.place.number, 0);
  beyond.end();
  root.end();
  const [segment] = await flush();
  assert.equal(segment!.spans.length, 300);
  assert.equal(segment!.isSizeLimited, true);
  assert.equal(processor.stats().hiddenSpans, 1);
});

test("the collector sets how many spans a segment has, and takes it back", async () => {
  const { tracer, processor, segments } = createWorld();
  const record = (): void => {
    const root = tracer.startSpan("a");
    for (let index = 0; index < 5; index++) tracer.startSpan("b", {}, under(root)).end();
    root.end();
  };
  for (const wishes of [[["agent.span_limit_per_segment", "3"]], [["agent.span_limit_per_segment", "x"]]] as const) {
    processor.configure(new Map(wishes));
    record();
  }
  await processor.forceFlush();
  assert.deepEqual(
    segments.map(({ spans, isSizeLimited }) => [spans.length, isSizeLimited]),
    [
      [3, true],
      [6, false],
    ],
  );
});

test("behind a tail, what nobody sampled and turned out an error leaves as a segment; the rest is forgotten", async () => {
  const { processor, segments } = createWorld();
  const tail = new TailProcessor(processor, { slowMs: 60_000 });
  const tracer = new TracerProvider({ processor: tail, ids: processor, sampler: alwaysOff, env: {} }).getTracer("test");
  for (const code of [SpanStatusCode.UNSET, SpanStatusCode.ERROR]) {
    const root = tracer.startSpan("a", { kind: SpanKind.SERVER });
    const child = tracer.startSpan("b", {}, under(root));
    assert.equal(parseSw8(send(under(child)).sw8!)!.isSampled, undefined);
    child.end();
    root.setStatus({ code });
    root.end();
  }
  await processor.forceFlush();
  assert.equal(segments.length, 1);
  assert.deepEqual(
    segments[0]!.spans.map(({ operation, parentSpanId }) => [operation, parentSpanId]),
    [
      ["a", -1],
      ["b", 0],
    ],
  );
});

test("a batch of messages is one entry with a reference to each", async () => {
  const { tracer, flush } = createWorld();
  const links = [1, 2, 3].map((number) => ({
    context: trace.getSpanContext(receive({ sw8: sample.replace("-2-", `-${number}-`) }))!,
  }));
  tracer.startSpan("batch", { kind: SpanKind.CONSUMER, links }).end();
  const [segment] = await flush();
  assert.deepEqual(
    segment!.spans[0]!.references.map(({ parentSpanId }) => parentSpanId),
    [1, 2, 3],
  );
});

test("a cache's command has the tags that the collector evaluates, and no key twice", async () => {
  const { tracer, flush } = createWorld();
  const attributes = {
    "db.system": "redis",
    "db.statement": "GET user:7",
    "net.peer.name": "cache",
    "net.peer.port": 6379,
  };
  tracer.startSpan("redis-GET", { kind: SpanKind.CLIENT, attributes }).end();
  const [segment] = await flush();
  const { tags, layer, componentId, peer } = segment!.spans[0]!;
  const found = new Map<string, string>();
  for (let index = 0; index < tags.length; index += 2) {
    assert.equal(found.has(tags[index]!), false, tags[index]);
    found.set(tags[index]!, tags[index + 1]!);
  }
  assert.deepEqual([layer, componentId, peer], [5, 7, "cache:6379"]);
  assert.equal(found.get("cache.type"), "Redis");
  assert.equal(found.get("cache.op"), "read");
  assert.equal(found.get("cache.cmd"), "GET");
  assert.equal(found.get("cache.key"), "user:7");
});
