import assert from "node:assert/strict";
import { test } from "node:test";
import { metrics } from "@opentelemetry/api";
import { collectOne, collectValues } from "./collect.ts";
import { createProvider } from "./create-provider.ts";

test("registered, it is everybody's; a second one is refused", async () => {
  const provider = createProvider().register();
  try {
    assert.equal(provider.register(), provider);
    assert.throws(() => createProvider().register(), { code: "CLEW_METRICS_REGISTERED" });
    metrics.getMeter("library").createCounter("calls").add(1);
    assert.deepEqual(await collectValues(provider, "calls"), { "": 1 });
  } finally {
    provider.unregister();
  }
  metrics.getMeter("library").createCounter("calls").add(1);
  assert.deepEqual(await collectValues(provider, "calls"), { "": 1 });
});

test("beyond the limit series are counted together, and how many is known", async () => {
  const provider = createProvider({ seriesLimit: 3 });
  const counter = provider.getMeter("test").createCounter("calls");
  for (let user = 0; user < 10; user++) counter.add(1, { user });
  counter.add(1, { user: 0 });
  assert.deepEqual(await collectValues(provider, "calls"), {
    "user=0": 2,
    "user=1": 1,
    "otel.metric.overflow=true": 8,
  });
  assert.deepEqual(provider.stats(), { series: 3, overflowed: 8, failedCallbacks: 0 });
});

test("attributes in ever new orders and values cost no more than the limit", async () => {
  const provider = createProvider({ seriesLimit: 10 });
  const counter = provider.getMeter("test").createCounter("calls");
  for (let count = 0; count < 5000; count++) counter.add(1, { [`name${count}`]: count, other: `${count}` });
  const { points } = await collectOne(provider, "calls");
  assert.equal(points.length, 10);
  assert.equal(
    points.reduce((sum, point) => sum + ("value" in point ? point.value : 0), 0),
    5000,
  );
});

test("views that cannot be are refused", () => {
  const code = "CLEW_METRICS_OPTION";
  assert.throws(() => createProvider({ views: [{ instrument: "a*", name: "b" }] }), { code });
  assert.throws(() => createProvider({ views: [{ boundaries: [2, 1] }] }), { code });
  assert.throws(() => createProvider({ seriesLimit: 1 }), { code });
  assert.throws(() => createProvider({ exemplars: "some" as "off" }), { code });
  assert.throws(() => createProvider({ callbackTimeoutMs: 0 }), { code });
});
