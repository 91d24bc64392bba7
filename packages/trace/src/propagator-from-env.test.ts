import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { propagatorFromEnv } from "./propagator-from-env.ts";

const spanContext = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };

function sentWith(names: string | undefined): string[] {
  const carrier: Record<string, string> = {};
  const context = trace.setSpanContext(ROOT_CONTEXT, spanContext);
  propagatorFromEnv({ OTEL_PROPAGATORS: names }).inject(context, carrier, defaultTextMapSetter);
  return Object.keys(carrier);
}

test("every propagator named writes its headers", () => {
  assert.deepEqual(sentWith(undefined), ["traceparent"]);
  assert.deepEqual(sentWith(" b3 , tracecontext,b3"), ["b3", "traceparent"]);
  assert.deepEqual(sentWith("b3multi,xray,jaeger"), [
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-sampled",
    "x-amzn-trace-id",
    "uber-trace-id",
  ]);
  assert.deepEqual(sentWith("grpc-trace-bin"), ["grpc-trace-bin"]);
  assert.deepEqual(sentWith("tracecontext,sw8"), ["traceparent", "sw8"]);
  assert.deepEqual(sentWith("none"), []);
});

test("a word nobody knows is told, and the others hold", async () => {
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", listen);
  assert.deepEqual(sentWith("ottrace,b3"), ["b3"]);
  assert.deepEqual(sentWith("constructor"), ["traceparent"]);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  assert.match(warnings[0]!, /^OTEL_PROPAGATORS is "ottrace,b3"; accepted: tracecontext, baggage, b3, .*Now b3 holds/);
  assert.match(warnings[1]!, /Now tracecontext,baggage holds/);
});

test("of those that find a caller the last wins", () => {
  const carrier = {
    b3: `${"1".repeat(32)}-${spanContext.spanId}-1`,
    traceparent: `00-${"2".repeat(32)}-${spanContext.spanId}-01`,
  };
  const extract = (names: string): string | undefined =>
    trace.getSpanContext(
      propagatorFromEnv({ OTEL_PROPAGATORS: names }).extract(ROOT_CONTEXT, carrier, defaultTextMapGetter),
    )?.traceId;
  assert.equal(extract("b3,tracecontext"), "2".repeat(32));
  assert.equal(extract("tracecontext,b3"), "1".repeat(32));
});
