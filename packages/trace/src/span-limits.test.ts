import assert from "node:assert/strict";
import { test } from "node:test";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { keepSpans } from "../test/keep-spans.ts";
import { findAttribute } from "./attributes.ts";
import { resolveSpanLimits } from "./span-limits.ts";
import { TracerProvider } from "./tracer-provider.ts";

test("every limit has its variable; the narrower one wins, the code before all", () => {
  const env = {
    OTEL_ATTRIBUTE_COUNT_LIMIT: "10",
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: "20",
    OTEL_SPAN_EVENT_COUNT_LIMIT: "3",
    OTEL_SPAN_LINK_COUNT_LIMIT: "4",
    OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: "5",
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: "0",
  };
  const limits = resolveSpanLimits({}, env);
  assert.deepEqual(limits, {
    attributes: 10,
    valueLength: 20,
    events: 3,
    links: 4,
    spans: 10_000,
    ofEvents: { attributes: 5, valueLength: 20 },
    ofLinks: { attributes: 0, valueLength: 20 },
  });
  const narrow = { ...env, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: "7", OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: "8" };
  assert.deepEqual([resolveSpanLimits({}, narrow).attributes, resolveSpanLimits({}, narrow).valueLength], [7, 8]);
  assert.equal(resolveSpanLimits({ attributes: 2 }, narrow).attributes, 2);
  assert.equal(resolveSpanLimits({}, { OTEL_SPAN_LINK_COUNT_LIMIT: "-1" }).links, 128);
});

test("a local root may have so many spans below it; it says how many were not made, and they still carry the context on", () => {
  const processor = keepSpans();
  const provider = new TracerProvider({ processor, limits: { spans: 3 }, env: {} });
  const tracer = provider.getTracer("test");
  const root = tracer.startSpan("root");
  const within = trace.setSpan(ROOT_CONTEXT, root);
  for (let count = 0; count < 5; count++) {
    const child = tracer.startSpan("child", {}, within);
    const below = tracer.startSpan("below", {}, trace.setSpan(within, child));
    if (!child.isRecording()) assert.deepEqual(below.spanContext(), root.spanContext());
    below.end();
    child.end();
  }
  root.end();
  assert.equal(processor.spans.length, 3);
  assert.equal(findAttribute(processor.spans[2]!.attributes, "clew.dropped_spans"), 8);
  assert.deepEqual([provider.stats().recorded, provider.stats().droppedSpans], [3, 8]);
  tracer.startSpan("another root").end();
  assert.equal(processor.spans.length, 4);
});

test("what is over in a span shows in the provider's counters", () => {
  const provider = new TracerProvider({
    processor: keepSpans(),
    limits: { attributes: 1, events: 1, links: 0 },
    env: {},
  });
  const span = provider.getTracer("test").startSpan("work", { attributes: { a: 1, b: 2 } });
  span.addEvent("one", { a: 1, b: 2, c: 3 }).addEvent("two").addLink({ context: span.spanContext() });
  span.end();
  const { droppedAttributes, droppedEvents, droppedLinks } = provider.stats();
  assert.deepEqual([droppedAttributes, droppedEvents, droppedLinks], [3, 1, 1]);
});

test("a timer that was started in a request does not come to the limit of the request", () => {
  const processor = keepSpans();
  const tracer = new TracerProvider({ processor, limits: { spans: 2 }, env: {} }).getTracer("test");
  const root = tracer.startSpan("root");
  const within = trace.setSpan(ROOT_CONTEXT, root);
  const kept = tracer.startSpan("child", {}, within);
  const dropped = tracer.startSpan("dropped", {}, within);
  for (const span of [kept, dropped, root]) span.end();
  for (let tick = 0; tick < 5; tick++) {
    for (const around of [root, dropped]) tracer.startSpan("tick", {}, trace.setSpan(ROOT_CONTEXT, around)).end();
  }
  const ticks = processor.spans.filter((span) => span.name === "tick");
  assert.equal(ticks.length, 10);
  assert.ok(ticks.every((span) => span.parentSpanId === root.spanContext().spanId));
});
