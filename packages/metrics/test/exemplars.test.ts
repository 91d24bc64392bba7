import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, run } from "@clew/context";
import { trace } from "@opentelemetry/api";
import { collectOne } from "./collect.ts";
import { createProvider } from "./create-provider.ts";

const sampled = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
const inSpan = (span: typeof sampled): Context => trace.setSpanContext(Context.root, span) as Context;

test("a measurement in a sampled span is kept as exemplar, one for each bucket and collection", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  const histogram = meter.createHistogram("duration", { advice: { explicitBucketBoundaries: [1, 2] } });
  const counter = meter.createCounter("calls");
  histogram.record(0.5);
  histogram.record(0.6, {}, inSpan(sampled));
  histogram.record(0.7, {}, inSpan({ ...sampled, spanId: "1111111111111111" }));
  histogram.record(1.5, {}, inSpan({ ...sampled, traceFlags: 0 }));
  run(inSpan(sampled), () => {
    histogram.record(5);
    counter.add(1);
  });
  const ids = { traceId: sampled.traceId, spanId: sampled.spanId };
  const exemplars = async (name: string) =>
    (await collectOne(provider, name)).points[0]!.exemplars.map(({ timeUs, ...rest }) => {
      assert.ok(Math.abs(timeUs / 1000 - Date.now()) < 60_000);
      return rest;
    });
  assert.deepEqual(await exemplars("duration"), [
    { value: 0.6, ...ids },
    { value: 5, ...ids },
  ]);
  assert.deepEqual(await exemplars("calls"), [{ value: 1, ...ids }]);
  histogram.record(0.8, {}, inSpan({ ...sampled, spanId: "2222222222222222" }));
  assert.equal((await exemplars("duration"))[0]?.value, 0.8, "after a collection a newer one takes its place");
});

test("exemplars can be turned off, by option and by environment", async () => {
  for (const options of [{ exemplars: "off" as const }, { env: { OTEL_METRICS_EXEMPLAR_FILTER: "always_off" } }]) {
    const provider = createProvider(options);
    provider.getMeter("test").createCounter("calls").add(1, {}, inSpan(sampled));
    assert.deepEqual((await collectOne(provider, "calls")).points[0]!.exemplars, []);
  }
});
