import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { Context, run } from "@clew/context";
import { DeltaMemory, type HistogramPoint, MeterProvider, type MeterProviderOptions } from "@clew/metrics";
import { createResource } from "@clew/trace";
import { type Attributes, DiagLogLevel, diag, metrics, trace, ValueType } from "@opentelemetry/api";
import { collectOne, collectValues, valuesOf } from "./collect.ts";

const warnings: string[] = [];
const keep = (message: string): void => void warnings.push(message);
diag.setLogger({ warn: keep, error: keep, info() {}, debug() {}, verbose() {} }, { logLevel: DiagLogLevel.WARN });
afterEach(() => void warnings.splice(0));
after(() => diag.disable());

function createProvider(options: MeterProviderOptions = {}): MeterProvider {
  return new MeterProvider({ resource: createResource({ service: "shop", env: {} }), env: {}, ...options });
}

test("a counter adds up by attributes, whatever their order and object", async () => {
  const provider = createProvider();
  const counter = provider.getMeter("test").createCounter("calls", { description: "Calls.", unit: "{call}" });
  const shared = { method: "GET", code: 200 };
  const frozen = Object.freeze({ code: 200, method: "GET" });
  for (let count = 0; count < 3; count++) {
    counter.add(1, shared);
    counter.add(1, frozen);
    counter.add(1, { method: "GET", code: 200 });
    counter.add(1, { code: 200, method: "GET", none: undefined });
  }
  counter.add(1, { method: "GET", code: "200" });
  counter.add(5);
  counter.add(1, {});
  const metric = await collectOne(provider, "calls");
  assert.deepEqual(valuesOf(metric), { "code=200 method=GET": 1, "": 6 }, "the number and the text are two series");
  assert.equal(metric.points.length, 3);
  assert.deepEqual(
    metric.points.map((point) => ("value" in point ? point.value : 0)),
    [12, 1, 6],
  );
  assert.deepEqual([metric.type, metric.description, metric.unit], ["sum", "Calls.", "{call}"]);
});

test("an attributes object that is changed between measurements is read anew", async () => {
  const provider = createProvider();
  const counter = provider.getMeter("test").createCounter("calls");
  const attributes: Attributes = { route: "/a" };
  counter.add(1, attributes);
  counter.add(1, attributes);
  attributes.route = "/b";
  counter.add(1, attributes);
  attributes.more = true;
  counter.add(1, attributes);
  assert.deepEqual(await collectValues(provider, "calls"), { "route=/a": 2, "route=/b": 1, "more=true route=/b": 1 });
});

test("lists are attributes too, by what is in them", async () => {
  const provider = createProvider();
  const counter = provider.getMeter("test").createCounter("calls");
  const list = ["a", "b"];
  const frozen = Object.freeze({ list });
  counter.add(1, { list: ["a", "b"] });
  counter.add(1, frozen);
  list.push("c");
  counter.add(1, frozen);
  assert.deepEqual(await collectValues(provider, "calls"), { "list=a,b": 2, "list=a,b,c": 1 });
});

test("what is no measurement is not taken", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  const counter = meter.createCounter("calls");
  const upDown = meter.createUpDownCounter("open");
  const histogram = meter.createHistogram("duration");
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "1", undefined, null, 1n] as number[]) {
    counter.add(value);
    upDown.add(value);
    histogram.record(value);
  }
  counter.add(-1);
  histogram.record(-1);
  counter.add(1);
  upDown.add(3);
  upDown.add(-1);
  histogram.record(0);
  assert.deepEqual(await collectValues(provider, "calls"), { "": 1 });
  assert.deepEqual(await collectValues(provider, "open"), { "": 2 });
  assert.equal((await collectOne(provider, "duration")).points[0]!.attributes.length, 0);
});

test("no attributes, however strange, throw", async () => {
  const provider = createProvider();
  const counter = provider.getMeter("test").createCounter("calls");
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const strange: unknown[] = [
    null,
    "text",
    7,
    circle,
    { symbol: Symbol("s"), big: 2n ** 70n },
    {
      get broken(): never {
        throw new Error("no");
      },
    },
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("no");
        },
      },
    ),
    { long: "x".repeat(5000) },
  ];
  for (const attributes of strange) counter.add(1, attributes as Attributes);
  const metric = await collectOne(provider, "calls");
  const total = metric.points.reduce((sum, point) => sum + ("value" in point ? point.value : 0), 0);
  assert.equal(total, strange.length);
  assert.ok(metric.points.every((point) => toText(point.attributes).length < 2000));
});

test("a histogram counts into buckets with inclusive upper bounds", async () => {
  const provider = createProvider();
  const histogram = provider.getMeter("test").createHistogram("size", {
    unit: "By",
    advice: { explicitBucketBoundaries: [10, 100] },
  });
  for (const value of [0, 10, 11, 100, 101, 1e9]) histogram.record(value);
  const metric = await collectOne(provider, "size");
  assert.equal(metric.type, "histogram");
  const point = metric.points[0] as HistogramPoint;
  assert.deepEqual([point.counts, point.count, point.sum], [[2, 2, 2], 6, 1_000_000_222]);
  assert.deepEqual([point.min, point.max], [0, 1e9]);
});

test("many boundaries are searched as few are", async () => {
  const provider = createProvider();
  const boundaries = Array.from({ length: 100 }, (_, index) => index);
  const histogram = provider
    .getMeter("test")
    .createHistogram("many", { advice: { explicitBucketBoundaries: boundaries } });
  for (const value of [0, 0.5, 1, 50, 98.5, 99, 99.5]) histogram.record(value);
  const { counts } = (await collectOne(provider, "many")).points[0] as HistogramPoint;
  const found = counts.flatMap((count, index) => new Array<number>(count).fill(index));
  assert.deepEqual(found, [0, 1, 1, 50, 99, 99, 100]);
});

test("boundaries that do not grow are not taken as advice", async () => {
  const provider = createProvider();
  const advice = { explicitBucketBoundaries: [10, 5] };
  provider.getMeter("test").createHistogram("wrong", { advice }).record(7);
  const metric = await collectOne(provider, "wrong");
  assert.ok(metric.type === "histogram" && metric.boundaries.length === 15);
});

test("a gauge tells the last value, and whole numbers are cut where they are declared", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  const gauge = meter.createGauge("level");
  gauge.record(3);
  gauge.record(-1.5);
  meter.createCounter("whole", { valueType: ValueType.INT }).add(2.9);
  assert.deepEqual(await collectValues(provider, "level"), { "": -1.5 });
  assert.deepEqual(await collectValues(provider, "whole"), { "": 2 });
});

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

function toText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part));
}

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

test("views rename, filter, drop and give other boundaries", async () => {
  const provider = createProvider({
    views: [
      { instrument: "http.*.duration", kind: "histogram", boundaries: [1], attributes: { keep: ["method"] } },
      { instrument: "noise", meter: "chatty", drop: true },
      { instrument: "old", name: "new", description: "Better.", attributes: { drop: ["user"] } },
      { instrument: "twice" },
      { instrument: "twice", name: "again" },
    ],
  });
  const meter = provider.getMeter("test");
  const duration = meter.createHistogram("http.server.duration");
  for (let user = 0; user < 5; user++) duration.record(user, { user, method: "GET" });
  meter.createCounter("noise").add(1);
  provider.getMeter("chatty").createCounter("noise").add(1);
  const old = meter.createCounter("old", { description: "Worse." });
  old.add(1, { user: 1, kind: "x" });
  old.add(1, { user: 2, kind: "x" });
  meter.createCounter("twice").add(1);
  const { scopes } = await provider.collect();
  assert.deepEqual(
    scopes.map(({ scope, metrics: found }) => [scope.name, found.map((metric) => [metric.name, valuesOf(metric)])]),
    [
      [
        "test",
        [
          ["http.server.duration", { "method=GET": [2, 3] }],
          ["noise", { "": 1 }],
          ["new", { "kind=x": 2 }],
          ["twice", { "": 1 }],
          ["again", { "": 1 }],
        ],
      ],
    ],
  );
  assert.equal(scopes[0]!.metrics[2]!.description, "Better.");
});

test("totals that a view leaves no attribute to tell apart are added", async () => {
  const provider = createProvider({ views: [{ instrument: "reads", attributes: { keep: [] } }] });
  const observable = provider.getMeter("test").createObservableCounter("reads");
  observable.addCallback((result) => {
    result.observe(1, { disk: "a" });
    result.observe(2, { disk: "b" });
  });
  assert.deepEqual(await collectValues(provider, "reads"), { "": 3 });
  assert.deepEqual(await collectValues(provider, "reads"), { "": 3 });
});

test("views that cannot be are refused", () => {
  const code = "CLEW_METRICS_OPTION";
  assert.throws(() => createProvider({ views: [{ instrument: "a*", name: "b" }] }), { code });
  assert.throws(() => createProvider({ views: [{ boundaries: [2, 1] }] }), { code });
  assert.throws(() => createProvider({ seriesLimit: 1 }), { code });
  assert.throws(() => createProvider({ exemplars: "some" as "off" }), { code });
  assert.throws(() => createProvider({ callbackTimeoutMs: 0 }), { code });
});

test("an instrument that is asked for twice is the same; another of its name is told", () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  assert.equal(provider.getMeter("test"), meter);
  assert.notEqual(provider.getMeter("test", "2"), meter);
  const counter = meter.createCounter("calls", { unit: "{call}" });
  assert.equal(meter.createCounter("CALLS", { unit: "{call}" }), counter);
  assert.deepEqual(warnings, []);
  assert.notEqual(meter.createCounter("calls", { unit: "s" }), counter);
  assert.match(warnings[0]!, /calls is made twice in test/);
});

test("names that are none measure nothing and say so", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  for (const name of ["", "1st", "a b", "ü", "x".repeat(256), undefined as unknown as string]) {
    meter.createCounter(name).add(1);
    meter.createObservableGauge(name).addCallback((result) => result.observe(1));
  }
  assert.deepEqual((await provider.collect()).scopes, []);
  assert.equal(warnings.length, 12);
});

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
