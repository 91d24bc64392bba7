// Whatever is told to SkyWalking's collector, or asked of it, and does not arrive is among the metrics of the process.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { RuntimeMeters, SkyWalkingExporter, startMetrics, startTracing } from "@clew/exporter";
import { withSpan } from "@clew/trace";
import { until } from "../../http2/test/until.ts";
import { startCollector } from "./skywalking-collector.ts";

// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

/** `method outcome` and how often, of all exporters. */
async function readReports({ provider }: ReturnType<typeof startMetrics>): Promise<Map<string, number>> {
  const { scopes } = await provider.collect();
  const metric = scopes.flatMap(({ metrics }) => metrics).find(({ name }) => name === "clew.sdk.skywalking.reports");
  assert.ok(metric !== undefined && metric.type === "sum");
  const found = new Map<string, number>();
  for (const { attributes, value } of metric.points) {
    const read = (key: string): unknown => attributes[attributes.indexOf(key) + 1];
    assert.equal(read("otel.component.type"), "skywalking_exporter");
    const outcome = attributes.includes("error.type") ? read("error.type") : "taken";
    found.set(`${read("rpc.method")} ${outcome}`, value);
  }
  return found;
}

test("heartbeats and meters that a collector refuses, segments that it takes", async () => {
  const collector = await startCollector({ services: ["trace"] });
  const metrics = startMetrics({ exporter: false, env: {} });
  const tracing = startTracing({
    exporter: [],
    env: {},
    skywalking: { backends: [collector.address], heartbeatMs: 5, runtimeMeters: false, sampling: false },
  });
  withSpan("work", () => {});
  await tracing.flush();
  const meters = new RuntimeMeters(tracing.skywalking!, { env: {} });
  assert.equal(await meters.report(), false);
  assert.equal(await meters.report(), false);
  meters.stop();
  await until(() => tracing.skywalking!.stats().reports.some(({ method }) => method === "ManagementService/keepAlive"));
  // What is told is final after a shutdown, and stays.
  await tracing.shutdown();
  const told = await readReports(metrics);
  assert.equal(told.get("TraceSegmentReportService/collect taken"), 1);
  assert.equal(told.get("TraceSegmentReportService/collect refused"), 0);
  assert.equal(told.get("MeterReportService/collect refused"), 2);
  assert.ok(told.get("ManagementService/reportInstanceProperties refused")! >= 1);
  assert.ok(told.get("ManagementService/keepAlive refused")! >= 1);
  await metrics.shutdown();
  await collector.stop();
});

test("reports while no collector is there", async () => {
  const collector = await startCollector();
  await collector.stop();
  const metrics = startMetrics({ exporter: false, env: {} });
  const exporter = new SkyWalkingExporter({ env: {}, backends: [collector.address], heartbeatMs: 600_000 });
  exporter.start();
  await until(() => exporter.stats().reports.some(({ unavailable }) => unavailable > 0));
  await exporter.shutdown();
  const told = await readReports(metrics);
  assert.equal(told.get("ManagementService/reportInstanceProperties unavailable"), 1);
  assert.equal(told.get("ManagementService/reportInstanceProperties taken"), 0);
  await metrics.shutdown();
});

test("what SW_AGENT_REPORTER_DISCARD holds back is no report", async () => {
  const exporter = new SkyWalkingExporter({ env: { SW_AGENT_REPORTER_DISCARD: "true" } });
  const meters = new RuntimeMeters(exporter, { env: {} });
  assert.equal(await meters.report(), false);
  meters.stop();
  assert.deepEqual(exporter.stats().reports, []);
  await exporter.shutdown();
});
