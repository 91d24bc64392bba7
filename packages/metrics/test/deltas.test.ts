import assert from "node:assert/strict";
import { test } from "node:test";
import { DeltaMemory } from "@clew/metrics";
import { collectOne, collectValues, valuesOf } from "./collect.ts";
import { createProvider } from "./create-provider.ts";

test("deltas are what came since this reader's last time; each reader has its own", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  const counter = meter.createCounter("calls");
  const open = meter.createUpDownCounter("open");
  const histogram = meter.createHistogram("size", { advice: { explicitBucketBoundaries: [10] } });
  let total = 5;
  meter.createObservableCounter("reads").addCallback((result) => result.observe(total));
  const one = new DeltaMemory();
  const other = new DeltaMemory();
  counter.add(2);
  open.add(2);
  histogram.record(1);
  assert.deepEqual(await collectValues(provider, "calls", one), { "": 2 });
  counter.add(3);
  histogram.record(20);
  total = 12;
  const calls = await collectOne(provider, "calls", one);
  assert.deepEqual(valuesOf(calls), { "": 3 });
  assert.ok(calls.type === "sum" && calls.isDelta);
  counter.add(1);
  histogram.record(20);
  open.add(1);
  assert.deepEqual(await collectValues(provider, "size", one), { "": [0, 1] });
  assert.deepEqual(await collectValues(provider, "open", one), { "": 3 }, "what goes up and down stays a total");
  assert.deepEqual(await collectValues(provider, "reads", other), { "": 12 });
  await assert.rejects(collectOne(provider, "size", other), /nothing/, "it was told with the reads");
  assert.deepEqual(await collectValues(provider, "calls"), { "": 6 });
});

test("a series that did not change has no delta, and the interval begins where the last one ended", async () => {
  const provider = createProvider();
  const counter = provider.getMeter("test").createCounter("calls");
  const memory = new DeltaMemory();
  counter.add(1, { kind: "a" });
  counter.add(1, { kind: "b" });
  const [first] = (await collectOne(provider, "calls", memory)).points;
  counter.add(1, { kind: "b" });
  const second = await collectOne(provider, "calls", memory);
  assert.deepEqual(valuesOf(second), { "kind=b": 1 });
  assert.equal(second.points[0]!.startUs, first!.timeUs);
  await assert.rejects(collectOne(provider, "calls", memory), /nothing/);
});
