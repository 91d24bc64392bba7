import assert from "node:assert/strict";
import { test } from "node:test";
import { collectOne, collectValues, valuesOf } from "./collect.ts";
import { createProvider } from "./create-provider.ts";
import { warnings } from "./warnings.ts";

test("observables are asked at each collection, and tell only what they observed then", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  let queues: Record<string, number> = { a: 1, b: 2 };
  const gauge = meter.createObservableGauge("queue.length");
  gauge.addCallback((result) => {
    for (const [queue, length] of Object.entries(queues)) result.observe(length, { queue });
  });
  const total = meter.createObservableCounter("reads");
  const observe = (result: { observe(value: number): void }): void => result.observe(10);
  total.addCallback(observe);
  assert.deepEqual(await collectValues(provider, "queue.length"), { "queue=a": 1, "queue=b": 2 });
  queues = { b: 5 };
  assert.deepEqual(await collectValues(provider, "queue.length"), { "queue=b": 5 });
  assert.deepEqual(await collectValues(provider, "reads"), { "": 10 }, "a total is as it is observed");
  total.removeCallback(observe);
  await assert.rejects(collectOne(provider, "reads"), /nothing is measured/);
});

test("one callback observes several instruments, and only those it is registered with", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  const used = meter.createObservableUpDownCounter("used");
  const free = meter.createObservableUpDownCounter("free");
  const stranger = meter.createObservableUpDownCounter("stranger");
  const callback: Parameters<typeof meter.addBatchObservableCallback>[0] = async (result) => {
    await null;
    result.observe(used, 7);
    result.observe(free, 3);
    result.observe(stranger, 1);
  };
  meter.addBatchObservableCallback(callback, [used, free]);
  meter.addBatchObservableCallback(callback, [free, used]);
  const { scopes } = await provider.collect();
  const named = scopes[0]!.metrics.map((metric) => [metric.name, valuesOf(metric)[""]]);
  assert.deepEqual(named, [
    ["used", 7],
    ["free", 3],
  ]);
  assert.match(warnings[0]!, /not registered with/);
  assert.equal(warnings.length, 1, "the same callback is kept once");
  meter.removeBatchObservableCallback(callback, [used, free]);
  assert.deepEqual((await provider.collect()).scopes, []);
});

test("callbacks that throw, reject or hang cost their own values only, and are counted", async () => {
  const provider = createProvider({ callbackTimeoutMs: 50 });
  const meter = provider.getMeter("test");
  let observeLate = (): void => {};
  meter.createObservableGauge("throws").addCallback(() => {
    throw new Error("no");
  });
  meter.createObservableGauge("rejects").addCallback(async () => {
    await null;
    throw new Error("no");
  });
  meter.createObservableGauge("hangs").addCallback((result) => {
    observeLate = () => result.observe(1);
    return new Promise(() => {});
  });
  meter.createObservableGauge("works").addCallback((result) => result.observe(1));
  assert.deepEqual(await collectValues(provider, "works"), { "": 1 });
  observeLate();
  assert.equal(provider.stats().failedCallbacks, 3);
  await assert.rejects(collectOne(provider, "hangs"));
});

test("collections that are asked for at once come one after the other", async () => {
  const provider = createProvider();
  let running = 0;
  let most = 0;
  provider
    .getMeter("test")
    .createObservableGauge("slow")
    .addCallback(async (result) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      result.observe(1);
      running--;
    });
  const all = await Promise.all([provider.collect(), provider.collect(), provider.collect()]);
  assert.equal(most, 1);
  for (const { scopes } of all) assert.deepEqual(valuesOf(scopes[0]!.metrics[0]!), { "": 1 });
});
