import assert from "node:assert/strict";
import { after, test } from "node:test";
import { current } from "@clew/context";
import {
  MeterProvider,
  type MetricsData,
  type MetricsExporter,
  PeriodicReader,
  type PeriodicReaderOptions,
} from "@clew/metrics";
import { isTracingSuppressed } from "@clew/trace";
import { until } from "../../http2/test/until.ts";
import { valuesOf } from "./collect.ts";

// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

/** A provider with one counter, and an exporter that keeps what it is handed and answers what the test says. */
function setUp(options: PeriodicReaderOptions, answer: () => Promise<boolean> = async () => true) {
  const provider = new MeterProvider({ env: {} });
  const counter = provider.getMeter("test").createCounter("calls");
  const exported: MetricsData[] = [];
  const state = { isShutDown: false, isSuppressed: false };
  const exporter: MetricsExporter = {
    export(data) {
      exported.push(data);
      state.isSuppressed = isTracingSuppressed(current());
      return answer();
    },
    async shutdown() {
      state.isShutDown = true;
    },
  };
  const reader = new PeriodicReader(provider, exporter, { env: {}, ...options });
  const values = () => exported.map((data) => valuesOf(data.scopes[0]!.metrics[0]!)[""]);
  return { provider, counter, reader, exported, values, state };
}

test("totals are exported again and again, untraced, and a last time at the end", async () => {
  const { counter, reader, values, exported, state } = setUp({ intervalMs: 10 });
  counter.add(1);
  await until(() => exported.length >= 2, "two exports");
  assert.deepEqual(values().slice(0, 2), [1, 1]);
  assert.equal(state.isSuppressed, true);
  counter.add(4);
  await reader.shutdown();
  assert.equal(values().at(-1), 5);
  assert.equal(state.isShutDown, true);
  const { length } = exported;
  assert.deepEqual(reader.stats(), { exported: length, failed: 0 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(exported.length, length, "nothing after the shutdown");
});

test("deltas are told once", async () => {
  const { counter, reader, values } = setUp({ intervalMs: 60_000, temporality: "delta" });
  counter.add(2);
  await reader.forceFlush();
  counter.add(3);
  await reader.forceFlush();
  await reader.shutdown();
  assert.deepEqual(values(), [2, 3]);
});

test("nothing measured is nothing exported", async () => {
  const { reader, exported } = setUp({ intervalMs: 60_000 });
  await reader.forceFlush();
  await reader.shutdown();
  assert.equal(exported.length, 0);
});

test("an exporter that refuses, throws or hangs is counted and holds up no stop", async () => {
  const answers = [
    async () => false,
    () => Promise.reject(new Error("no")),
    (): Promise<boolean> => {
      throw new Error("no");
    },
    () => new Promise<boolean>(() => {}),
  ];
  for (const answer of answers) {
    const { counter, reader } = setUp({ intervalMs: 60_000, timeoutMs: 20, shutdownTimeoutMs: 5000 }, answer);
    counter.add(1);
    await reader.forceFlush();
    assert.deepEqual(reader.stats(), { exported: 0, failed: 1 });
    await reader.shutdown();
  }
  const { counter, reader } = setUp({ timeoutMs: 60_000, shutdownTimeoutMs: 20 }, () => new Promise(() => {}));
  counter.add(1);
  await reader.shutdown();
});

test("intervals that come while an export is under way are left out", async () => {
  let release = (_isTaken: boolean): void => {};
  const { counter, reader, exported } = setUp({ intervalMs: 5 }, () => new Promise((resolve) => (release = resolve)));
  counter.add(1);
  await until(() => exported.length === 1, "the first export");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(exported.length, 1);
  release(true);
  await until(() => exported.length === 2, "the next");
  const stopping = reader.shutdown();
  release(true);
  await until(() => exported.length === 3, "the last");
  release(true);
  await stopping;
});

test("interval, timeout and temporality are read from the environment; the code wins over it", async () => {
  const env = { OTEL_METRIC_EXPORT_INTERVAL: "10", OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "Delta" };
  const { counter, reader, exported, values } = setUp({ env });
  counter.add(2);
  await until(() => exported.length === 1, "an export");
  counter.add(3);
  await reader.shutdown();
  assert.deepEqual(values(), [2, 3]);
  for (const options of [{ intervalMs: 0 }, { timeoutMs: Number.NaN }, { temporality: "total" as "delta" }]) {
    assert.throws(() => setUp(options), { code: "CLEW_METRICS_OPTION" });
  }
});
