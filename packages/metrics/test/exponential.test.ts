// Exponential histograms: against OpenTelemetry's SDK, on the wire, as deltas, and where only classic buckets can be told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import {
  DeltaMemory,
  encodeMetrics,
  encodeMetricsAsJson,
  type HistogramData,
  MeterProvider,
  mergeExponential,
  renderPrometheus,
} from "@clew/metrics";
import { AggregationType, MetricReader, MeterProvider as SdkMeterProvider } from "@opentelemetry/sdk-metrics";
import { collectOne } from "./collect.ts";
import { ExportMetricsServiceRequestSchema } from "./gen/otlp-metrics_pb.ts";

async function collectHistogram(provider: MeterProvider, name: string, memory?: DeltaMemory): Promise<HistogramData> {
  const metric = await collectOne(provider, name, memory);
  assert.ok(metric.type === "histogram");
  return metric;
}

/** Numbers from 0 to 1, the same in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

interface SdkPoint {
  readonly scale: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly positive: { readonly offset: number; readonly bucketCounts: number[] };
}

/** What OpenTelemetry's SDK makes of these values. */
async function collectFromSdk(values: readonly number[], maxSize: number): Promise<SdkPoint> {
  const reader = new Reader();
  const provider = new SdkMeterProvider({
    readers: [reader],
    views: [
      {
        instrumentName: "*",
        aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize, recordMinMax: true } },
      },
    ],
  });
  const histogram = provider.getMeter("test").createHistogram("h");
  for (const value of values) histogram.record(value);
  const { resourceMetrics, errors } = await reader.collect();
  assert.deepEqual(errors, []);
  await provider.shutdown();
  return resourceMetrics.scopeMetrics[0]!.metrics[0]!.dataPoints[0]!.value as unknown as SdkPoint;
}

const distributions: Record<string, (random: () => number) => number> = {
  "durations around 10 ms": (random) => 0.01 * Math.exp(3 * (random() - 0.5)),
  "seconds, from a millisecond to an hour": (random) => 10 ** (random() * 6.5 - 3),
  "whole numbers, 0 among them": (random) => Math.floor(random() * 40),
  "powers of two": (random) => 2 ** Math.floor(random() * 60 - 30),
  "one value": () => 7,
  "from the smallest to the largest": (random) => 2 ** (random() * 2040 - 1020),
};

test("the same values make the same buckets as in OpenTelemetry's SDK", async () => {
  for (const [name, draw] of Object.entries(distributions)) {
    for (const maxBuckets of [160, 20, 4]) {
      const random = createRandom(maxBuckets);
      const values = Array.from({ length: 3000 }, () => draw(random));
      const expected = await collectFromSdk(values, maxBuckets);
      const provider = new MeterProvider({ env: {}, views: [{ instrument: "h", exponential: { maxBuckets } }] });
      const histogram = provider.getMeter("test").createHistogram("h");
      for (const value of values) histogram.record(value);
      const [point] = (await collectHistogram(provider, "h")).points;
      const { scale, zeroCount, offset, counts } = point!.exponential!;
      assert.deepEqual(
        { scale, zeroCount, positive: { offset, bucketCounts: counts } },
        { scale: expected.scale, zeroCount: expected.zeroCount, positive: expected.positive },
        `${name}, ${maxBuckets} buckets`,
      );
      const { count, sum, min, max } = point!;
      assert.deepEqual([count, sum, min, max], [expected.count, expected.sum, expected.min, expected.max], name);
    }
  }
});

test("OTLP tells exponential buckets, as protobuf and as JSON", async () => {
  const provider = new MeterProvider({ env: {}, views: [{ kind: "histogram", exponential: { maxScale: 0 } }] });
  const histogram = provider.getMeter("test").createHistogram("size", { unit: "By", description: "How large." });
  for (const value of [0, 0.3, 3, 3, 4, 100]) histogram.record(value, { k: "v" });
  const data = await provider.collect();
  const request = fromBinary(ExportMetricsServiceRequestSchema, encodeMetrics(data));
  const metric = request.resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!;
  assert.deepEqual([metric.name, metric.unit, metric.description], ["size", "By", "How large."]);
  assert.ok(metric.data.case === "exponentialHistogram");
  assert.equal(metric.data.value.aggregationTemporality, 2);
  const [point] = metric.data.value.dataPoints;
  assert.deepEqual(
    point!.attributes.map(({ key, value }) => [key, value?.value.value]),
    [["k", "v"]],
  );
  assert.deepEqual(
    [point!.count, point!.sum, point!.min, point!.max, point!.zeroCount, point!.scale, point!.zeroThreshold],
    [6n, 110.3, 0, 100, 1n, 0, 0],
  );
  // Base 2: (0.25, 0.5] is -2, (2, 4] is 1, (64, 128] is 6.
  const expected = [1, 0, 0, 3, 0, 0, 0, 0, 1];
  assert.deepEqual([point!.positive?.offset, point!.positive?.bucketCounts], [-2, expected.map(BigInt)]);
  assert.equal(point!.negative, undefined);
  assert.ok(point!.startTimeUnixNano > 0n && point!.timeUnixNano >= point!.startTimeUnixNano);

  const json = JSON.parse(encodeMetricsAsJson(data)).resourceMetrics[0].scopeMetrics[0].metrics[0];
  const { startTimeUnixNano: _, timeUnixNano: __, ...told } = json.exponentialHistogram.dataPoints[0];
  assert.deepEqual(told, {
    attributes: [{ key: "k", value: { stringValue: "v" } }],
    count: "6",
    sum: 110.3,
    min: 0,
    max: 100,
    scale: 0,
    zeroCount: "1",
    positive: { offset: -2, bucketCounts: expected.map(String) },
  });
  assert.deepEqual([json.exponentialHistogram.aggregationTemporality, json.histogram], [2, undefined]);
});

test("large counts, a negative scale and many buckets survive the wire", () => {
  const counts = Array.from({ length: 160 }, (_, index) => index * 1_000_000_000_000);
  const exponential = { scale: -3, zeroCount: 2 ** 40, offset: -100_000, counts };
  const point = {
    attributes: [],
    startUs: 1,
    timeUs: 2,
    count: 9,
    sum: 1,
    min: undefined,
    max: undefined,
    counts: [9],
  };
  const points = Array.from({ length: 100 }, () => ({ ...point, exponential, exemplars: [] }));
  const request = fromBinary(
    ExportMetricsServiceRequestSchema,
    encodeMetrics({
      resource: { attributes: [], schemaUrl: "" },
      scopes: [
        {
          scope: { name: "lib", version: "", schemaUrl: "" },
          metrics: [{ type: "histogram", name: "h", description: "", unit: "", isDelta: true, boundaries: [], points }],
        },
      ],
    }),
  );
  const { data } = request.resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!;
  assert.ok(data.case === "exponentialHistogram");
  assert.equal(data.value.aggregationTemporality, 1);
  assert.equal(data.value.dataPoints.length, 100);
  for (const read of data.value.dataPoints) {
    assert.deepEqual([read.scale, read.zeroCount, read.positive!.offset], [-3, 2n ** 40n, -100_000]);
    assert.deepEqual(read.positive!.bucketCounts, counts.map(BigInt));
    assert.equal(read.min, undefined);
  }
});

test("deltas together are the total", async () => {
  const provider = new MeterProvider({ env: {}, exponential: { maxBuckets: 10 } });
  const histogram = provider.getMeter("test").createHistogram("h");
  const memory = new DeltaMemory();
  const random = createRandom(9);
  let sum: Parameters<typeof mergeExponential>[0] | undefined;
  for (let round = 1; round <= 5; round++) {
    for (let count = 0; count < 20; count++) histogram.record(10 ** (random() * round));
    const { points, isDelta } = await collectHistogram(provider, "h", memory);
    assert.deepEqual([isDelta, points[0]!.count], [true, 20]);
    const since = points[0]!.exponential!;
    sum = sum === undefined ? since : mergeExponential(sum, since, 10);
  }
  assert.deepEqual(sum, (await collectHistogram(provider, "h")).points[0]!.exponential);
});

test("Prometheus's text has the classic buckets of the same values, exactly", async () => {
  const record = async (exponential: boolean): Promise<string> => {
    const provider = new MeterProvider({ env: {}, exponential });
    const advice = { explicitBucketBoundaries: [0.1, 0.5, 1] };
    const histogram = provider.getMeter("test").createHistogram("h", { advice });
    const random = createRandom(5);
    for (let count = 0; count < 1000; count++) histogram.record(random() * 2);
    return renderPrometheus(await provider.collect());
  };
  const page = await record(true);
  assert.match(page, /^h_bucket\{otel_scope_name="test",le="0\.5"\} \d+$/m);
  assert.equal(page, await record(false));
});

test("views, the provider and the environment say which histograms are exponential", async () => {
  const env = { OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: "base2_exponential_bucket_histogram" };
  const views = [
    { instrument: "classic.*", exponential: false },
    { instrument: "renamed", name: "other" },
  ];
  const provider = new MeterProvider({ env, views });
  const meter = provider.getMeter("test");
  for (const name of ["plain", "classic.one", "renamed"]) meter.createHistogram(name).record(1);
  meter.createCounter("count").add(1);
  const { scopes } = await provider.collect();
  const found = scopes[0]!.metrics.map((metric) => [
    metric.name,
    metric.type === "histogram" && metric.points[0]!.exponential !== undefined,
  ]);
  assert.deepEqual(found, [
    ["plain", true],
    ["classic.one", false],
    ["other", true],
    ["count", false],
  ]);
  const plain = new MeterProvider({ env: {} });
  plain.getMeter("test").createHistogram("h").record(1);
  assert.equal((await collectHistogram(plain, "h")).points[0]!.exponential, undefined);
  for (const exponential of [{ maxBuckets: 1 }, { maxScale: 30 }]) {
    assert.throws(() => new MeterProvider({ exponential, env: {} }), { code: "CLEW_METRICS_OPTION" });
    assert.throws(() => new MeterProvider({ views: [{ exponential }], env: {} }), { code: "CLEW_METRICS_OPTION" });
  }
});
