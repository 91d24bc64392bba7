// What a measurement costs on the path of a request, beside OpenTelemetry's SDK in the same process, and what a series costs in memory:
//
//     node --expose-gc bench/src/metrics.ts
//
// CPU time of the process, in rounds that take turns, with the median of their ratios. Three attributes, 20 routes.

import { Context, run } from "@clew/context";
import { MeterProvider } from "@clew/metrics";
import { type Attributes, type MeterProvider as MeterProviderApi, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
  MeterProvider as SdkMeterProvider,
} from "@opentelemetry/sdk-metrics";

const rounds = 15;
const perRound = 200_000;

const routes = Array.from({ length: 20 }, (_, index) => `/v1/users/${index}`);
const toAttributes = (index: number): Attributes => ({
  "http.request.method": "GET",
  "http.route": routes[index % 20]!,
  "http.response.status_code": 200,
});
const same = routes.map((_, index) => toAttributes(index));
const frozen = same.map((attributes) => Object.freeze({ ...attributes }));

const reader = new PeriodicExportingMetricReader({
  exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
  exportIntervalMillis: 2 ** 30,
  exportTimeoutMillis: 1000,
});
const sdk = new SdkMeterProvider({ readers: [reader] });
const ours = new MeterProvider({ env: {} });

const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

function measurements(provider: MeterProviderApi) {
  const meter = provider.getMeter("bench");
  const counter = meter.createCounter("calls");
  const histogram = meter.createHistogram("duration", { advice: { explicitBucketBoundaries: boundaries } });
  return { counter, histogram };
}

type Work = (instruments: ReturnType<typeof measurements>, index: number) => void;

const cases: [name: string, work: Work][] = [
  ["counter, new attributes each time", ({ counter }, index) => counter.add(1, toAttributes(index))],
  ["counter, the same object", ({ counter }, index) => counter.add(1, same[index % 20])],
  ["counter, the same frozen object", ({ counter }, index) => counter.add(1, frozen[index % 20])],
  ["histogram, new attributes each time", ({ histogram }, index) => histogram.record(0.012, toAttributes(index))],
  ["histogram, the same object", ({ histogram }, index) => histogram.record(0.012, same[index % 20])],
  ["histogram, the same frozen object", ({ histogram }, index) => histogram.record(0.012, frozen[index % 20])],
];

function nanosOf(instruments: ReturnType<typeof measurements>, work: Work): number {
  const before = process.cpuUsage();
  for (let index = 0; index < perRound; index++) work(instruments, index);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / perRound;
}

function median(values: number[]): number {
  return values.sort((one, other) => one - other)[values.length >> 1]!;
}

const span = trace.setSpanContext(Context.root, {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  traceFlags: 1,
}) as Context;

console.log("| measurement | ns | @opentelemetry/sdk-metrics, ns | ratio |\n| --- | --- | --- | --- |");
// In a sampled span, as on the path of a request: ours looks for exemplars.
run(span, () => {
  for (const [name, work] of cases) {
    const one = measurements(ours);
    const other = measurements(sdk);
    const times: { ours: number; sdk: number }[] = [];
    for (let round = 0; round < rounds + 2; round++) {
      const found = { ours: nanosOf(one, work), sdk: nanosOf(other, work) };
      // The first two are the compiler's.
      if (round >= 2) times.push(found);
    }
    const ratio = median(times.map((time) => time.ours / time.sdk));
    const [own, theirs] = [median(times.map((time) => time.ours)), median(times.map((time) => time.sdk))];
    console.log(`| ${name} | ${own.toFixed(0)} | ${theirs.toFixed(0)} | ${ratio.toFixed(2)} |`);
  }
});

function bytesOf(provider: MeterProviderApi): number {
  const { histogram } = measurements(provider);
  globalThis.gc!();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 1900; index++) histogram.record(1, { ...same[0], user: `user ${index}` });
  globalThis.gc!();
  return (process.memoryUsage().heapUsed - before) / 1900;
}

if (globalThis.gc !== undefined) {
  const fresh = new SdkMeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
        exportIntervalMillis: 2 ** 30,
        exportTimeoutMillis: 1000,
      }),
    ],
  });
  const [own, theirs] = [bytesOf(new MeterProvider({ env: {} })), bytesOf(fresh)];
  console.log(
    `\nA series of a histogram, four attributes: ${own.toFixed(0)} bytes; of the SDK's ${theirs.toFixed(0)}.`,
  );
}
await reader.shutdown().catch(() => {});
process.exit();
