import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type Exemplar, encodeMetrics, type MetricData, type MetricsData } from "@clew/metrics";
import { ExportMetricsServiceRequestSchema, type Metric } from "./gen/otlp-metrics_pb.ts";

const times = { startUs: 1_700_000_000_000_000, timeUs: 1_700_000_060_000_000 };
const resource = { attributes: ["service.name", "shop"], schemaUrl: "https://example.com/resource" };
const scope = { name: "lib", version: "1.2", schemaUrl: "https://example.com/scope" };
const exemplar: Exemplar = {
  value: 0.25,
  timeUs: 1_700_000_030_000_000,
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
};
const named = { name: "a.metric", description: "What it is.", unit: "s" };

function dataOf(...metrics: MetricData[]): MetricsData {
  return { resource, scopes: [{ scope, metrics }] };
}

function roundTrip(metric: MetricData): Metric {
  const request = fromBinary(ExportMetricsServiceRequestSchema, encodeMetrics(dataOf(metric)));
  return request.resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!;
}

function sum(value: number, isInt: boolean, exemplars: readonly Exemplar[] = []): MetricData {
  const points = [{ attributes: [], ...times, value, exemplars }];
  return { type: "sum", ...named, isInt, isMonotonic: true, isDelta: false, points };
}

test("golden bytes of one counter", () => {
  const data: MetricsData = {
    resource: { attributes: ["service.name", "shop"], schemaUrl: "" },
    scopes: [
      {
        scope: { name: "lib", version: "", schemaUrl: "" },
        metrics: [
          {
            type: "sum",
            name: "calls",
            description: "",
            unit: "1",
            isInt: false,
            isMonotonic: true,
            isDelta: false,
            points: [{ attributes: ["k", "v"], startUs: 1, timeUs: 2, value: 1.5, exemplars: [] }],
          },
        ],
      },
    ],
  };
  assert.equal(
    encodeMetrics(data).toString("hex"),
    [
      "0a5c",
      "0a18" + "0a16" + "0a0c736572766963652e6e616d65" + "12060a0473686f70",
      "1240",
      "0a05" + "0a036c6962",
      "1237",
      "0a0563616c6c73",
      "1a0131",
      "3a2b",
      "0a25" + "11e803000000000000" + "19d007000000000000" + "21000000000000f83f" + "3a08" + "0a016b" + "12030a0176",
      "1002",
      "1801",
    ].join(""),
  );
});

test("the resource, the scope and their schemas are told once each", () => {
  const request = fromBinary(
    ExportMetricsServiceRequestSchema,
    encodeMetrics({
      resource,
      scopes: [
        { scope, metrics: [sum(1, false), sum(2, false)] },
        { scope: { name: "other", version: "", schemaUrl: "" }, metrics: [sum(3, false)] },
      ],
    }),
  );
  assert.equal(request.resourceMetrics.length, 1);
  const [all] = request.resourceMetrics;
  assert.equal(all!.schemaUrl, "https://example.com/resource");
  assert.deepEqual(all!.resource?.attributes[0]?.value?.value, { case: "stringValue", value: "shop" });
  assert.deepEqual(
    all!.scopeMetrics.map((one) => [one.scope?.name, one.scope?.version, one.schemaUrl, one.metrics.length]),
    [
      ["lib", "1.2", "https://example.com/scope", 2],
      ["other", "", "", 1],
    ],
  );
});

test("a sum has its times, its temporality and whether it only grows", () => {
  const metric = roundTrip(sum(1.5, false));
  assert.deepEqual([metric.name, metric.description, metric.unit], ["a.metric", "What it is.", "s"]);
  assert.ok(metric.data.case === "sum");
  const { value } = metric.data;
  assert.deepEqual([value.isMonotonic, value.aggregationTemporality], [true, 2]);
  assert.deepEqual(value.dataPoints[0]!.value, { case: "asDouble", value: 1.5 });
  assert.equal(value.dataPoints[0]!.startTimeUnixNano, 1_700_000_000_000_000_000n);
  assert.equal(value.dataPoints[0]!.timeUnixNano, 1_700_000_060_000_000_000n);
  const points = [{ attributes: [], ...times, value: -2, exemplars: [] }];
  const upDown = roundTrip({ type: "sum", ...named, isInt: false, isMonotonic: false, isDelta: true, points });
  assert.ok(upDown.data.case === "sum");
  assert.deepEqual([upDown.data.value.isMonotonic, upDown.data.value.aggregationTemporality], [false, 1]);
});

test("whole numbers are whole as long as a double holds them", () => {
  for (const value of [0, 1, -1, 2 ** 31, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    const { data } = roundTrip(sum(value, true));
    assert.ok(data.case === "sum");
    assert.deepEqual(data.value.dataPoints[0]!.value, { case: "asInt", value: BigInt(value) });
  }
  const { data } = roundTrip(sum(2 ** 60, true));
  assert.ok(data.case === "sum");
  assert.deepEqual(data.value.dataPoints[0]!.value, { case: "asDouble", value: 2 ** 60 });
});

test("a gauge's points have their attributes", () => {
  const attributes = ["host", "a", "list", ["x", "y"], "on", true, "port", 8080];
  const points = [{ attributes, ...times, value: 7, exemplars: [] }];
  const { data } = roundTrip({ type: "gauge", ...named, isInt: false, points });
  assert.ok(data.case === "gauge");
  assert.deepEqual(
    data.value.dataPoints[0]!.attributes.map(({ key, value }) => [key, value?.value.case]),
    [
      ["host", "stringValue"],
      ["list", "arrayValue"],
      ["on", "boolValue"],
      ["port", "intValue"],
    ],
  );
});

test("a histogram has its buckets, its bounds and its extremes, and exemplars lead to their spans", () => {
  const boundaries = Array.from({ length: 40 }, (_, index) => index / 10);
  const counts = Array.from({ length: 41 }, (_, index) => index * 1_000_000_000_000);
  const point = {
    attributes: ["k", "v"],
    ...times,
    count: 5,
    sum: 12.5,
    min: 0.1,
    max: 9,
    counts,
    exemplars: [exemplar],
  };
  const { data } = roundTrip({ type: "histogram", ...named, boundaries, isDelta: false, points: [point] });
  assert.ok(data.case === "histogram");
  assert.equal(data.value.aggregationTemporality, 2);
  const read = data.value.dataPoints[0]!;
  assert.deepEqual(read.bucketCounts, counts.map(BigInt));
  assert.deepEqual(read.explicitBounds, boundaries);
  assert.deepEqual([read.count, read.sum, read.min, read.max], [5n, 12.5, 0.1, 9]);
  assert.equal(Buffer.from(read.exemplars[0]!.traceId).toString("hex"), exemplar.traceId);
  assert.equal(Buffer.from(read.exemplars[0]!.spanId).toString("hex"), exemplar.spanId);
  assert.deepEqual(read.exemplars[0]!.value, { case: "asDouble", value: 0.25 });
  assert.equal(read.exemplars[0]!.timeUnixNano, 1_700_000_030_000_000_000n);
});

test("a histogram with one bucket, and without extremes", () => {
  const point = {
    attributes: [],
    ...times,
    count: 2,
    sum: 3,
    min: undefined,
    max: undefined,
    counts: [2],
    exemplars: [],
  };
  const { data } = roundTrip({ type: "histogram", ...named, boundaries: [], isDelta: true, points: [point] });
  assert.ok(data.case === "histogram");
  const read = data.value.dataPoints[0]!;
  assert.deepEqual([read.bucketCounts, read.explicitBounds, read.min, read.max], [[2n], [], undefined, undefined]);
});

test("a thousand metrics with long texts do not overrun the buffer, and none at all are a request too", () => {
  const long = "é".repeat(3000);
  const metrics = Array.from({ length: 1000 }, (_, index): MetricData => {
    const points = [{ attributes: ["name", `${long}${index}`], ...times, value: index, exemplars: [exemplar] }];
    return { type: "sum", ...named, name: `m${index}`, isInt: true, isMonotonic: true, isDelta: false, points };
  });
  const request = fromBinary(ExportMetricsServiceRequestSchema, encodeMetrics(dataOf(...metrics)));
  const read = request.resourceMetrics[0]!.scopeMetrics[0]!.metrics;
  assert.equal(read.length, 1000);
  assert.equal(read[999]!.name, "m999");
  const { data } = read[999]!;
  assert.ok(data.case === "sum");
  assert.deepEqual(data.value.dataPoints[0]!.attributes[0]!.value?.value, { case: "stringValue", value: `${long}999` });
  assert.equal(
    fromBinary(ExportMetricsServiceRequestSchema, encodeMetrics({ resource, scopes: [] })).resourceMetrics.length,
    1,
  );
});
