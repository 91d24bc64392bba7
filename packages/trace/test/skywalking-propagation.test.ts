import assert from "node:assert/strict";
import { test } from "node:test";
import { TracerProvider } from "@clew/trace";
import { BaggagePropagator, CompositePropagator } from "@clew/trace/otel";
import { parseSw8, setCorrelation, setTargetAddress, toSpanId, toTraceId } from "@clew/trace/skywalking";
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import { keepSpans } from "./keep-spans.ts";
import { createWorld, goId, goSegment, propagator, receive, sample, send, under, w3c } from "./skywalking-world.ts";

test("the sample header makes an entry with a reference of all eight fields; what is called gets ours", async () => {
  const { tracer, flush } = createWorld();
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
  const first = createWorld();
  const incoming = receive({ sw8: sample });
  const entry = first.tracer.startSpan("a", { kind: SpanKind.SERVER }, incoming);
  const between = send(under(entry, incoming), w3c);
  entry.end();
  assert.deepEqual(Object.keys(between).sort(), ["traceparent", "tracestate"]);
  const second = createWorld({ service: "second" });
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
  const upstream = createWorld();
  const both = new CompositePropagator([w3c, new BaggagePropagator(), propagator]);
  const root = upstream.tracer.startSpan("a", { kind: SpanKind.SERVER });
  const exit = upstream.tracer.startSpan("x", { kind: SpanKind.CLIENT }, under(root));
  const headers: Record<string, string> = {};
  both.inject(under(exit), headers, defaultTextMapSetter);
  exit.end();
  root.end();
  const arrived = both.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
  assert.equal(trace.getSpanContext(arrived)?.spanId, exit.spanContext().spanId);
  const { tracer, flush } = createWorld();
  tracer.startSpan("b", { kind: SpanKind.SERVER }, arrived).end();
  const [segment] = await flush();
  const [sent] = await upstream.flush();
  assert.equal(segment!.spans[0]!.references[0]!.parentSegmentId, sent!.segmentId);
  assert.equal(segment!.spans[0]!.references[0]!.parentSpanId, 1);
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

test("the correlation travels in sw8-correlation and, marked, in baggage; keys on request become tags", async () => {
  const { tracer, flush } = createWorld({ autoTagKeys: ["user"] });
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
  const { tracer, flush } = createWorld();
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

test("headers that make no sense begin a new trace", () => {
  for (const sw8 of ["", "1", "-------", `${"x".repeat(9000)}`, "1-%-%-0-a-b-c-d"]) {
    assert.equal(trace.getSpanContext(receive({ sw8, "sw8-correlation": "::,,", "sw8-x": "??" })), undefined);
  }
  const array = { get: () => [sample, "other"], keys: () => [] };
  assert.equal(trace.getSpanContext(propagator.extract(ROOT_CONTEXT, {}, array))?.traceId, toTraceId(goId));
});
