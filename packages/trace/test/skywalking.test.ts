import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { alwaysOff, type BatchResult, composeProcessors, TailProcessor, TracerProvider } from "@clew/trace";
import { BaggagePropagator, CompositePropagator, TraceContextPropagator } from "@clew/trace/otel";
import {
  decodeSegment,
  encodeSegment,
  encodeSegments,
  parseSw8,
  type SegmentData,
  SegmentProcessor,
  type SegmentProcessorOptions,
  SkyWalkingPropagator,
  segmentFromJson,
  segmentToJson,
  segmentToSpans,
  setCorrelation,
  setTargetAddress,
  sliceSegments,
  toSpanId,
  toTraceId,
} from "@clew/trace/skywalking";
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { keepSpans } from "./keep-spans.ts";

const goId = "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003";
const goSegment = "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740004";
const sample =
  "1-NjE2NTUzNGFhZjY1MTFlZWJmYzc1NjI2ZTFjZGNmZTIuMTMxLjM5MTY2MjAyNjQ2NzQwMDAz-NjE2NTUzNGFhZjY1MTFlZWJmYzc1NjI2ZTFjZGNmZTIuMTMx" +
  "LjM5MTY2MjAyNjQ2NzQwMDA0-2-c3ctdGVzdA==-NjE2NTczNzBhZjY1MTFlZWJmYzc1NjI2ZTFjZGNmZTJAMTAuMi4xMzAuMTQ=-R0VUOi9zYXlIZWxsb0h0dHA=" +
  "-bG9jYWxob3N0OjE4MDAx";

const identity = { service: "shop", instance: "shop-1", env: {} };
const propagator = new SkyWalkingPropagator(identity);
const w3c = new TraceContextPropagator();

interface World {
  readonly tracer: Tracer;
  readonly processor: SegmentProcessor;
  readonly segments: SegmentData[];
  flush(): Promise<SegmentData[]>;
}

function world(options: SegmentProcessorOptions = {}): World {
  const segments: SegmentData[] = [];
  const exporter = {
    async export(given: readonly SegmentData[]): Promise<BatchResult> {
      segments.push(...given);
      return { outcome: "exported" };
    },
    async shutdown() {},
  };
  const processor = new SegmentProcessor(exporter, { ...identity, ...options });
  const tracer = new TracerProvider({ processor, ids: processor, env: {} }).getTracer("test");
  const flush = async (): Promise<SegmentData[]> => {
    await processor.forceFlush();
    return segments;
  };
  return { tracer, processor, segments, flush };
}

function under(span: Span, context: Context = ROOT_CONTEXT): Context {
  return trace.setSpan(context, span);
}

function receive(headers: Record<string, string>, by = propagator): Context {
  return by.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}

function send(context: Context, by: { inject: SkyWalkingPropagator["inject"] } = propagator): Record<string, string> {
  const headers: Record<string, string> = {};
  by.inject(context, headers, defaultTextMapSetter);
  return headers;
}

const golden: SegmentData = {
  traceId: "t.1.1",
  segmentId: "s.1.1",
  service: "svc2",
  instance: "ins2",
  isSizeLimited: false,
  spans: [
    {
      spanId: 0,
      parentSpanId: -1,
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_005,
      references: [
        {
          type: 0,
          traceId: "t.1.1",
          parentSegmentId: "p.1.1",
          parentSpanId: 2,
          parentService: "svc",
          parentInstance: "ins",
          parentEndpoint: "GET:/a",
          address: "h:80",
        },
      ],
      operation: "GET:/b",
      peer: "",
      type: 0,
      layer: 3,
      componentId: 49,
      isError: false,
      tags: ["http.method", "GET"],
      logs: [],
      skipAnalysis: false,
    },
  ],
};

test("a segment has the bytes that protoc gives it, and is read back", () => {
  const bytes = encodeSegment(golden);
  assert.equal(
    bytes.toString("hex"),
    "0a05742e312e311205732e312e311a6310ffffffffffffffffff011880d095ffbc312085d095ffbc312a281205742e312e311a05702e312e3120022a0373" +
      "76633203696e733a064745543a2f614204683a383032064745543a2f624803503162120a0b687474702e6d6574686f6412034745542204737663322a04" +
      "696e7332",
  );
  assert.deepEqual(decodeSegment(bytes), golden);
  assert.deepEqual(sliceSegments(encodeSegments([golden, golden])).map(decodeSegment), [golden, golden]);
  assert.deepEqual(segmentFromJson(JSON.parse(JSON.stringify(segmentToJson(golden)))), golden);
});

test("bytes that are no segment are refused, JSON that is none is undefined", () => {
  assert.throws(() => decodeSegment(Buffer.from("1a63", "hex")), { code: "CLEW_TRACE_MALFORMED" });
  for (const json of [null, 7, {}, [], { traceId: "t" }]) assert.equal(segmentFromJson(json), undefined);
  const odd = segmentFromJson({
    traceId: "t",
    traceSegmentId: "s",
    spans: [null, { spanType: "Nope", startTime: "5" }],
  });
  assert.equal(odd?.spans[1]?.startMs, 5);
});

test("root and children leave as one segment, root first, when all have ended", async () => {
  const { tracer, flush } = world();
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
  const { tracer, flush } = world();
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
  const { processor, segments } = world();
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

test("the sample header makes an entry with a reference of all eight fields; what is called gets ours", async () => {
  const { tracer, flush } = world();
  const incoming = receive({ sw8: sample });
  const entry = tracer.startSpan("GET /b", { kind: SpanKind.SERVER }, incoming);
  assert.equal(entry.spanContext().traceId, toTraceId(goId));
  const exit = tracer.startSpan("call", { kind: SpanKind.CLIENT }, under(entry, incoming));
  const headers = send(setTargetAddress(under(exit, incoming), "10.0.0.9:8080"));
  exit.end();
  entry.end();
  const [segment] = await flush();
  assert.equal(segment!.traceId, goId);
  assert.deepEqual(segment!.spans[0]!.references, [
    {
      type: 0,
      traceId: goId,
      parentSegmentId: goSegment,
      parentSpanId: 2,
      parentService: "sw-test",
      parentInstance: "61657370af6511eebfc75626e1cdcfe2@10.2.130.14",
      parentEndpoint: "GET:/sayHelloHttp",
      address: "localhost:18001",
    },
  ]);
  assert.deepEqual(parseSw8(headers.sw8!), {
    place: {
      traceId: goId,
      segmentId: segment!.segmentId,
      number: 1,
      service: "shop",
      instance: "shop-1",
      endpoint: "GET:/b",
      address: "10.0.0.9:8080",
    },
    isSampled: true,
  });
  assert.equal(segment!.spans[1]!.peer, "10.0.0.9:8080");
});

test("a foreign trace id goes out unchanged after a hop of W3C alone", async () => {
  const first = world();
  const incoming = receive({ sw8: sample });
  const entry = first.tracer.startSpan("a", { kind: SpanKind.SERVER }, incoming);
  const between = send(under(entry, incoming), w3c);
  entry.end();
  assert.deepEqual(Object.keys(between).sort(), ["traceparent", "tracestate"]);
  const second = world({ service: "second" });
  const arrived = w3c.extract(ROOT_CONTEXT, between, defaultTextMapGetter);
  const next = second.tracer.startSpan("b", { kind: SpanKind.SERVER }, arrived);
  const out = parseSw8(send(under(next, arrived)).sw8!);
  next.end();
  const [segment] = await second.flush();
  assert.equal(out!.place.traceId, goId);
  assert.equal(segment!.traceId, goId);
  assert.deepEqual(segment!.spans[0]!.references, []);
});

test("with both headers W3C's span is the parent and sw8 tells the segment", async () => {
  const upstream = world();
  const both = new CompositePropagator([w3c, new BaggagePropagator(), propagator]);
  const root = upstream.tracer.startSpan("a", { kind: SpanKind.SERVER });
  const exit = upstream.tracer.startSpan("x", { kind: SpanKind.CLIENT }, under(root));
  const headers: Record<string, string> = {};
  both.inject(under(exit), headers, defaultTextMapSetter);
  exit.end();
  root.end();
  const arrived = both.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
  assert.equal(trace.getSpanContext(arrived)?.spanId, exit.spanContext().spanId);
  const { tracer, flush } = world();
  tracer.startSpan("b", { kind: SpanKind.SERVER }, arrived).end();
  const [segment] = await flush();
  const [sent] = await upstream.flush();
  assert.equal(segment!.spans[0]!.references[0]!.parentSegmentId, sent!.segmentId);
  assert.equal(segment!.spans[0]!.references[0]!.parentSpanId, 1);
});

test("Go's ids on request: a new trace has one, and tracestate keeps it", async () => {
  const { tracer, flush } = world({ ids: "go" });
  const root = tracer.startSpan("a", { kind: SpanKind.SERVER });
  root.end();
  const [segment] = await flush();
  assert.match(segment!.traceId, /^[0-9a-f]{32}\.\d+\.\d{17,}$/);
  assert.match(segment!.segmentId, /^[0-9a-f]{32}\.\d+\.\d{17,}$/);
  assert.equal(root.spanContext().traceId, toTraceId(segment!.traceId));
  assert.equal(root.spanContext().traceState?.get("sw"), segment!.traceId);
});

test("without segments of ours sw8 names the span itself, so that its id can be found again", () => {
  const tracer = new TracerProvider({ processor: keepSpans(), env: {} }).getTracer("test");
  const span = tracer.startSpan("GET /a", { kind: SpanKind.CLIENT });
  const { place } = parseSw8(send(under(span)).sw8!)!;
  assert.equal(toSpanId(place.segmentId, place.number), span.spanContext().spanId);
  assert.equal(toTraceId(place.traceId), span.spanContext().traceId);
  assert.equal(place.endpoint, "GET:/a");
  assert.equal(place.address, "unknown");
  span.end();
});

test("below a caller that is not recorded here its place goes on", () => {
  const provider = new TracerProvider({ env: {}, sampler: { shouldSample: () => false, toString: () => "no" } });
  const incoming = receive({ sw8: sample });
  const span = provider.getTracer("test").startSpan("a", {}, incoming);
  const sent = parseSw8(send(setTargetAddress(under(span, incoming), "h:1")).sw8!);
  assert.equal(sent?.place.segmentId, goSegment);
  assert.equal(sent?.place.service, "sw-test");
  assert.equal(sent?.place.address, "h:1");
  assert.equal(sent?.isSampled, undefined);
});

test("an entry inside an entry is one span with the inner name; an exit inside an exit one with the outer", async () => {
  const { tracer, flush } = world();
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
  const { tracer, segments, processor } = world({ lateTimeoutMs: 20, delayMs: 5 });
  const root = tracer.startSpan("a", { kind: SpanKind.SERVER });
  const early = tracer.startSpan("early", {}, under(root));
  const late = tracer.startSpan("late", {}, under(early));
  root.end();
  early.end();
  const giveUpAtMs = performance.now() + 60_000;
  while (segments.length < 1 && performance.now() < giveUpAtMs) await sleep(5);
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
  const { tracer, flush, processor } = world();
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
  const { tracer, processor, segments } = world();
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
  const { processor, segments } = world();
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

test("the correlation travels in sw8-correlation and, marked, in baggage; keys on request become tags", async () => {
  const { tracer, flush } = world({ autoTagKeys: ["user"] });
  const incoming = receive({ sw8: sample, "sw8-correlation": "dXNlcg==:em/Dqw==" });
  const span = tracer.startSpan("a", { kind: SpanKind.SERVER }, incoming);
  let context = under(span, incoming);
  const own = propagation.getBaggage(context)!.setEntry("private", { value: "x" });
  context = propagation.setBaggage(context, own);
  context = setCorrelation(context, "a", "1")!;
  assert.deepEqual(send(context)["sw8-correlation"]?.split(",").sort(), ["YQ==:MQ==", "dXNlcg==:em/Dqw=="]);
  const baggage = new BaggagePropagator();
  const hop = baggage.extract(ROOT_CONTEXT, send(context, baggage), defaultTextMapGetter);
  assert.equal(send(hop)["sw8-correlation"]?.split(",").length, 2);
  context = setCorrelation(context, "b", "2")!;
  assert.equal(setCorrelation(context, "c", "3"), undefined);
  assert.equal(setCorrelation(context, "a", "v".repeat(129)), undefined);
  context = setCorrelation(setCorrelation(context, "a", "9")!, "b", "")!;
  assert.equal(send(context)["sw8-correlation"]?.includes("YQ==:OQ=="), true);
  span.end();
  const [segment] = await flush();
  assert.deepEqual(segment!.spans[0]!.tags, ["user", "zoë"]);
});

test("skip analysis covers every span and travels on; a message's time becomes its latency", async () => {
  const { tracer, flush } = world();
  const incoming = receive({ sw8: sample, "sw8-x": `1-${Date.now() - 5000}` });
  const attributes = { "messaging.system": "kafka", "messaging.destination.name": "orders" };
  const consumer = tracer.startSpan("orders", { kind: SpanKind.CONSUMER, attributes }, incoming);
  const producer = tracer.startSpan("next", { kind: SpanKind.PRODUCER, attributes }, under(consumer, incoming));
  assert.match(send(under(producer, incoming))["sw8-x"]!, /^1-\d{13}$/);
  producer.end();
  consumer.end();
  const [segment] = await flush();
  assert.ok(segment!.spans.every(({ skipAnalysis }) => skipAnalysis));
  const { tags, componentId, layer } = segment!.spans[0]!;
  assert.ok(Number(tags[tags.indexOf("transmission.latency") + 1]) >= 5000);
  assert.equal(tags[tags.indexOf("mq.topic") + 1], "orders");
  assert.deepEqual([componentId, layer], [41, 4]);
  assert.equal(segment!.spans[1]!.componentId, 40);
});

test("a batch of messages is one entry with a reference to each", async () => {
  const { tracer, flush } = world();
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
  const { tracer, flush } = world();
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

test("headers that make no sense begin a new trace", () => {
  for (const sw8 of ["", "1", "-------", `${"x".repeat(9000)}`, "1-%-%-0-a-b-c-d"]) {
    assert.equal(trace.getSpanContext(receive({ sw8, "sw8-correlation": "::,,", "sw8-x": "??" })), undefined);
  }
  const array = { get: () => [sample, "other"], keys: () => [] };
  assert.equal(trace.getSpanContext(propagator.extract(ROOT_CONTEXT, {}, array))?.traceId, toTraceId(goId));
});
