import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, type SpanContext, trace } from "@opentelemetry/api";
import { createTraceId } from "../ids.ts";
import { isSamplingDeferred } from "../remote-context.ts";
import { parentBased, type Sampler, traceIdRatio } from "../sampler.ts";
import { TracerProvider } from "../tracer-provider.ts";
import { B3Propagator, parseB3 } from "./propagator.ts";

const traceId = "80f198ee56343ba864fe8b2a57d3eff7";
const spanId = "e457b5a2e4d86bd1";
const single = new B3Propagator();
const multi = new B3Propagator({ inject: "multi" });

function extract(carrier: Record<string, string | string[]>): SpanContext | undefined {
  return trace.getSpanContext(single.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter));
}

function resend(carrier: Record<string, string>, propagator: B3Propagator): Record<string, string> {
  const sent: Record<string, string> = {};
  propagator.inject(single.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter), sent, defaultTextMapSetter);
  return sent;
}

test("what comes in goes out, in one header or in several", () => {
  assert.deepEqual(resend({ b3: `${traceId}-${spanId}-1-05e3ac9a4f6e3b90` }, single), { b3: `${traceId}-${spanId}-1` });
  assert.deepEqual(resend({ b3: `${traceId}-${spanId}-0` }, multi), {
    "x-b3-traceid": traceId,
    "x-b3-spanid": spanId,
    "x-b3-sampled": "0",
  });
  const headers = { "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-sampled": "1" };
  assert.deepEqual(resend(headers, single), { b3: `${traceId}-${spanId}-1` });
});

test("debug goes on as debug, and is sampled", () => {
  assert.deepEqual(resend({ b3: `${traceId}-${spanId}-d` }, single), { b3: `${traceId}-${spanId}-d` });
  const headers = { "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-flags": "1", "x-b3-sampled": "0" };
  assert.deepEqual(resend(headers, multi), { "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-flags": "1" });
  assert.equal(extract(headers)?.traceFlags, 1);
});

test("a trace id of 64 bits is filled up, capitals are lowered, words of old libraries are read", () => {
  const carrier = { "X-B3-TraceId": "" };
  assert.equal(extract(carrier), undefined);
  assert.equal(parseB3(`64FE8B2A57D3EFF7-${spanId}-1`)?.spanContext.traceId, "000000000000000064fe8b2a57d3eff7");
  const headers = { "x-b3-traceid": traceId, "x-b3-spanid": spanId };
  assert.equal(extract({ ...headers, "x-b3-sampled": "true" })?.traceFlags, 1);
  assert.equal(extract({ ...headers, "x-b3-sampled": "false" })?.traceFlags, 0);
});

test("the single header goes first; the others serve when it is malformed", () => {
  const headers = { "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-sampled": "1" };
  assert.equal(extract({ ...headers, b3: `${"1".repeat(32)}-${spanId}-1` })?.traceId, "1".repeat(32));
  assert.equal(extract({ ...headers, b3: "nonsense" })?.traceId, traceId);
});

test("without a state the decision is ours, once for all spans below", () => {
  const parent = extract({ b3: `${traceId}-${spanId}` })!;
  assert.equal(isSamplingDeferred(parent), true);
  const context = single.extract(ROOT_CONTEXT, { b3: `${traceId}-${spanId}` }, defaultTextMapGetter);
  for (const ratio of [0, 1]) {
    let asked = 0;
    const root = traceIdRatio(ratio);
    const counted: Sampler = {
      shouldSample: (...given) => {
        asked++;
        return root.shouldSample(...given);
      },
    };
    const tracer = new TracerProvider({ sampler: parentBased(counted) }).getTracer("test");
    const span = tracer.startSpan("entry", {}, context);
    assert.equal(span.isRecording(), ratio === 1);
    assert.equal(span.spanContext().traceId, traceId);
    const child = tracer.startSpan("below", {}, trace.setSpan(context, span));
    assert.equal(child.isRecording(), ratio === 1);
    assert.equal(asked, 1);
  }
});

test("a zero alone makes a trace that is not sampled", () => {
  for (const carrier of [{ b3: "0" }, { "x-b3-sampled": "0" }]) {
    const context = extract(carrier as Record<string, string>)!;
    assert.equal(context.traceFlags, 0);
    assert.equal(isSamplingDeferred(context), false);
    assert.match(context.traceId, /^[0-9a-f]{32}$/);
  }
});

test("what is malformed is no trace", () => {
  const bad = [
    "",
    "2",
    "debug",
    traceId,
    `${traceId}-`,
    `${traceId}-${spanId.slice(1)}-1`,
    `${traceId.slice(1)}-${spanId}-1`,
    `${"0".repeat(32)}-${spanId}-1`,
    `${traceId}-${"0".repeat(16)}-1`,
    `${traceId}-${spanId}-1-${spanId}-1`,
    `g${traceId.slice(1)}-${spanId}-1`,
    "-".repeat(10_000),
  ];
  for (const header of bad) assert.equal(parseB3(header), undefined, header);
  assert.equal(extract({ "x-b3-traceid": createTraceId() }), undefined);
});
