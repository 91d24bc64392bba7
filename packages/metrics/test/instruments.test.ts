import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistogramPoint } from "@clew/metrics";
import { type Attributes, ValueType } from "@opentelemetry/api";
import { collectOne, collectValues, valuesOf } from "./collect.ts";
import { createProvider } from "./create-provider.ts";
import { warnings } from "./warnings.ts";

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

function toText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part));
}

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

test("an instrument that is asked for twice is the same; another of its name is told", () => {
  const provider = createProvider();
  const meter = provider.getMeter("test");
  assert.equal(provider.getMeter("test"), meter);
  assert.notEqual(provider.getMeter("test", "2"), meter);
  const counter = meter.createCounter("calls", { unit: "{call}" });
  assert.equal(meter.createCounter("CALLS", { unit: "{call}" }), counter);
  assert.deepEqual(warnings, []);
  assert.notEqual(meter.createCounter("calls", { unit: "s" }), counter);
  assert.match(warnings[0]!, /calls is created twice in test/);
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
