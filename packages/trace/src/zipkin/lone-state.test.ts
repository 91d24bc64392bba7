// B3 without ids: whoever calls has made no span, and decides about the trace that begins here.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type TextMapPropagator,
  trace,
} from "@opentelemetry/api";
import { TraceContextPropagator } from "../otel/propagator.ts";
import { alwaysOff, alwaysOn, parentBased } from "../sampler.ts";
import { SegmentProcessor } from "../skywalking/segment-processor.ts";
import { Span } from "../span.ts";
import { TracerProvider } from "../tracer-provider.ts";
import { B3Propagator } from "./propagator.ts";

type Headers = Readonly<Record<string, string>>;

const b3 = new B3Propagator();
const w3c = new TraceContextPropagator();

function extract(headers: Headers, ...propagators: TextMapPropagator[]): Context {
  const all = propagators.length === 0 ? [b3] : propagators;
  return all.reduce<Context>((context, one) => one.extract(context, headers, defaultTextMapGetter), ROOT_CONTEXT);
}

function start(headers: Headers, root = alwaysOff) {
  return new TracerProvider({ sampler: parentBased(root), env: {} })
    .getTracer("test")
    .startSpan("entry", {}, extract(headers));
}

const wanted: readonly Headers[] = [
  { b3: "1" },
  { b3: "true" },
  { b3: "d" },
  { "x-b3-sampled": "1" },
  { "x-b3-sampled": "true" },
  { "x-b3-flags": "1" },
  // Debug implies sampled.
  { "x-b3-flags": "1", "x-b3-sampled": "0" },
];

for (const headers of wanted) {
  test(`${JSON.stringify(headers)}: a trace begins and is recorded, and has no parent`, () => {
    const span = start(headers);
    assert.ok(span instanceof Span);
    assert.equal(span.spanContext().traceFlags & 1, 1);
    assert.equal(span.record?.parentSpanId, "");
    assert.equal(span.record?.isParentRemote, false);
    assert.notEqual(start(headers).spanContext().traceId, span.spanContext().traceId);
  });
}

for (const headers of [
  { b3: "0" },
  { b3: "false" },
  { "x-b3-sampled": "0" },
  { "x-b3-sampled": "false" },
] as Headers[]) {
  test(`${JSON.stringify(headers)}: the trace that begins is not recorded`, () => {
    assert.equal(start(headers, alwaysOn).isRecording(), false);
  });
}

test("debug goes on to those who are called, and a decision does", () => {
  const send = (headers: Headers): string => {
    const context = extract(headers);
    const span = new TracerProvider({ sampler: parentBased(), env: {} })
      .getTracer("test")
      .startSpan("entry", {}, context);
    const sent: Record<string, string> = {};
    b3.inject(trace.setSpan(context, span), sent, defaultTextMapSetter);
    assert.equal(sent.b3?.slice(0, 50), `${span.spanContext().traceId}-${span.spanContext().spanId}-`);
    return sent.b3.slice(50);
  };
  assert.equal(send({ b3: "d" }), "d");
  assert.equal(send({ "x-b3-flags": "1" }), "d");
  assert.equal(send({ b3: "1" }), "1");
});

test("children have their parent, and a segment of SkyWalking's has no reference", async () => {
  const parents: (readonly [number, number])[] = [];
  const exporter = {
    export: async (segments: Parameters<ConstructorParameters<typeof SegmentProcessor>[0]["export"]>[0]) => {
      for (const { spans } of segments) {
        for (const { parentSpanId, references } of spans) parents.push([parentSpanId, references.length]);
      }
      return { outcome: "exported" } as const;
    },
    shutdown: async () => {},
  };
  const processor = new SegmentProcessor(exporter, { service: "shop", instance: "shop-1", env: {} });
  const tracer = new TracerProvider({ processor, ids: processor, env: {} }).getTracer("test");
  const context = extract({ b3: "1" });
  const span = tracer.startSpan("entry", {}, context);
  const child = tracer.startSpan("below", {}, trace.setSpan(context, span));
  assert.equal((child as Span).record?.parentSpanId, span.spanContext().spanId);
  assert.equal(child.spanContext().traceId, span.spanContext().traceId);
  child.end();
  span.end();
  await processor.shutdown();
  assert.deepEqual(parents, [
    [-1, 0],
    [0, 0],
  ]);
});

test("a trace that came in another dialect is not left for a state alone", () => {
  const traceId = "80f198ee56343ba864fe8b2a57d3eff7";
  const traceparent = `00-${traceId}-e457b5a2e4d86bd1-01`;
  for (const propagators of [
    [w3c, b3],
    [b3, w3c],
  ]) {
    for (const headers of [
      { traceparent, b3: "1" },
      { traceparent, "x-b3-sampled": "0" },
    ]) {
      assert.equal(trace.getSpanContext(extract(headers, ...propagators))?.traceId, traceId);
    }
  }
});

test("a malformed single header leaves the word to the others", () => {
  assert.equal(start({ b3: "2", "x-b3-sampled": "1" }).isRecording(), true);
  assert.equal(trace.getSpanContext(extract({ b3: "2" })), undefined);
  assert.equal(trace.getSpanContext(extract({ "x-b3-sampled": "maybe" })), undefined);
  assert.equal(trace.getSpanContext(extract({ "x-b3-flags": "0" })), undefined);
});
