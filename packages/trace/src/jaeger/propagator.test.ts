import assert from "node:assert/strict";
import { test } from "node:test";
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
} from "@opentelemetry/api";
import { JaegerPropagator, parseUberTraceId } from "./propagator.ts";

const traceId = "d4cda95b652f4a1592b449d5929fda1b";
const spanId = "6e0c63257de34c92";
const propagator = new JaegerPropagator();

function resend(carrier: Record<string, string>): Record<string, string> {
  const sent: Record<string, string> = {};
  propagator.inject(propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter), sent, defaultTextMapSetter);
  return sent;
}

test("what comes in goes out, baggage too", () => {
  const sent = resend({ "uber-trace-id": `${traceId}:${spanId}:0:1`, "uberctx-user": "%C3%A4nn%2C", "uberctx-": "no" });
  assert.deepEqual(sent, { "uber-trace-id": `${traceId}:${spanId}:0:1`, "uberctx-user": "%C3%A4nn%2C" });
});

test("short ids are filled up, the parent's id is passed over, percent-encoding is read", () => {
  const expected: SpanContext = {
    traceId: `${"0".repeat(29)}abc`,
    spanId: `${"0".repeat(13)}def`,
    traceFlags: 1,
    isRemote: true,
  };
  assert.deepEqual(parseUberTraceId("abc:DEF:123:1")?.spanContext, expected);
  assert.deepEqual(parseUberTraceId("abc%3Adef%3A0%3A01")?.spanContext, expected);
});

test("flags: sampled, not sampled, and debug, which goes on", () => {
  assert.equal(parseUberTraceId(`${traceId}:${spanId}:0:0`)?.spanContext.traceFlags, 0);
  assert.equal(parseUberTraceId(`${traceId}:${spanId}:0:9`)?.spanContext.traceFlags, 1);
  assert.equal(resend({ "uber-trace-id": `${traceId}:${spanId}:0:2` })["uber-trace-id"], `${traceId}:${spanId}:0:3`);
});

test("baggage joins what another propagator found", () => {
  const before = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ a: { value: "1" } }));
  const context = propagator.extract(before, { "uberctx-b": "2" }, defaultTextMapGetter);
  const entries = propagation
    .getBaggage(context)
    ?.getAllEntries()
    .map(([key, { value }]) => `${key}=${value}`);
  assert.deepEqual(entries?.sort(), ["a=1", "b=2"]);
});

test("more baggage than 64 entries is left", () => {
  const carrier = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`uberctx-k${index}`, "v"]));
  const context = propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
  assert.equal(propagation.getBaggage(context)?.getAllEntries().length, 64);
});

test("what is malformed is no trace", () => {
  const bad = [
    "",
    "%",
    traceId,
    `${traceId}:${spanId}:0`,
    `${traceId}:${spanId}:0:1:1`,
    `${traceId}:${spanId}:0:x`,
    `0:${spanId}:0:1`,
    `${traceId}:0:0:1`,
    `${traceId}0:${spanId}:0:1`,
    `${traceId}:${spanId}0:0:1`,
    ":".repeat(10_000),
  ];
  for (const header of bad) assert.equal(parseUberTraceId(header), undefined, header);
});
