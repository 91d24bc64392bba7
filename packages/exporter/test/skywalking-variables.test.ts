// The variables of SkyWalking's agents that say whether and how often something is done.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { RuntimeMeters, SkyWalkingExporter, SkyWalkingLogs, startMetrics, startTracing } from "@clew/exporter";
import { withSpan } from "@clew/trace";
import { until } from "../../http2/test/until.ts";
import { startCollector } from "./skywalking-collector.ts";

// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

test("SW_AGENT_REPORTER_DISCARD: headers are sent and spans counted, and nothing else leaves", async () => {
  const collector = await startCollector();
  const env = { SW_AGENT_REPORTER_DISCARD: "true" };
  const skywalking = { service: "shop", backends: [collector.address] };
  const tracing = startTracing({ exporter: [], env, skywalking });
  const logs = new SkyWalkingLogs(tracing.skywalking!, { env: {} });
  withSpan("work", () => logs.write("info", "a line", {}, undefined));
  await Promise.all([tracing.flush(), logs.forceFlush()]);
  const { finished, failed, exported } = tracing.segmentStats()!;
  assert.deepEqual({ finished, failed, exported }, { finished: 1, failed: 1, exported: 0 });
  assert.equal(logs.stats().failed, 1);
  await logs.shutdown();
  await tracing.shutdown();
  assert.equal(collector.calls.length, 0);
  await collector.stop();
});

test("SW_AGENT_REPORTER_TYPE=kafka needs a producer, and says so", async () => {
  const told = new Promise<string>((resolve) => {
    process.on("warning", ({ message }) => {
      if (message.startsWith("SW_AGENT_REPORTER_TYPE")) resolve(message);
    });
  });
  await new SkyWalkingExporter({ env: { SW_AGENT_REPORTER_TYPE: "kafka" } }).shutdown();
  assert.match(await told, /^SW_AGENT_REPORTER_TYPE is "kafka"; accepted: .*producer/);
});

test("SW_AGENT_LOG_REPORTER_ENABLE=false: no line is sent", async () => {
  const exporter = new SkyWalkingExporter({ env: {} });
  const logs = new SkyWalkingLogs(exporter, { env: { SW_AGENT_LOG_REPORTER_ENABLE: "false" } });
  logs.write("info", "a line", {}, undefined);
  assert.equal(logs.stats().waiting, 0);
  await logs.shutdown();
  await exporter.shutdown();
});

test("Node's meters are told whether and how often by any name that they had", async () => {
  for (const name of ["NODEJS_RUNTIME_METRICS", "RUNTIME_METRICS", "NVM_METRICS", "NVM_JVM"]) {
    const collector = await startCollector();
    const exporter = new SkyWalkingExporter({ env: {}, backends: [collector.address] });
    const meters = new RuntimeMeters(exporter, { env: { [`SW_AGENT_${name}_REPORT_PERIOD`]: "5" } });
    await until(() => collector.meters.length > 0);
    meters.stop();
    await exporter.shutdown();
    const env = { [`SW_AGENT_${name}_REPORTER_ACTIVE`]: "false", [`SW_AGENT_${name}_REPORT_PERIOD`]: "5" };
    const before = collector.meters.length;
    const tracing = startTracing({ exporter: [], env, skywalking: { backends: [collector.address], heartbeatMs: 5 } });
    // A heartbeat takes as long as a report of meters would.
    await until(() => collector.pings.length > 3);
    await tracing.shutdown();
    assert.equal(collector.meters.length, before);
    await collector.stop();
  }
});

test("what became of log lines is among the metrics of the process", async () => {
  const exporter = new SkyWalkingExporter({ env: { SW_AGENT_REPORTER_DISCARD: "true" } });
  const logs = new SkyWalkingLogs(exporter, { capacity: 1, env: {} });
  const running = startMetrics({ exporter: false, env: {} });
  logs.write("info", "kept", {}, undefined);
  logs.write("info", "dropped", {}, undefined);
  await logs.shutdown();
  const { scopes } = await running.provider.collect();
  const points = scopes
    .flatMap(({ metrics }) => metrics)
    .filter(({ name }) => name === "otel.sdk.processor.log.processed" || name === "otel.sdk.exporter.log.exported")
    .flatMap((metric) => (metric.type === "histogram" ? [] : metric.points))
    .map(({ attributes, value }) => `${attributes.join(" ")} ${value}`);
  assert.ok(
    points.some((text) => /skywalking_log_exporter/.test(text) && /error.type failed/.test(text) && / 1$/.test(text)),
  );
  assert.ok(points.some((text) => /error.type queue_full/.test(text) && / 1$/.test(text)));
  await running.shutdown();
  await exporter.shutdown();
});

test("SW_AGENT_NAMESPACE and SW_AGENT_CLUSTER are among the instance's properties", async () => {
  const collector = await startCollector();
  const env = { SW_AGENT_NAME: "shop", SW_AGENT_NAMESPACE: "blue", SW_INSTANCE_PROPERTIES_JSON: '{"zone":"b"}' };
  const exporter = new SkyWalkingExporter({ env, backends: [collector.address] });
  exporter.start();
  await until(() => collector.instances.length > 0);
  await exporter.shutdown();
  const { service, properties } = collector.instances[0]!;
  assert.equal(service, "shop|blue|");
  const told = new Map(properties.map(({ key, value }) => [key, value]));
  assert.deepEqual([told.get("namespace"), told.get("cluster"), told.get("zone")], ["blue", undefined, "b"]);
  await collector.stop();
});
