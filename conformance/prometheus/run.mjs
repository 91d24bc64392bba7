// Judges the pages of packages/metrics: promtool reads and lints the text format; a Prometheus scrapes a service of ours and is asked
// for what it understood: values, types, a quantile, exemplars, the resource.
//
//     node conformance/prometheus/run.mjs
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../packages/transport/test/free-ports.ts";
import { installJudges } from "../../scripts/install-judges.mjs";

const { prometheus, promtool } = installJudges("prometheus", "promtool");

const { HttpServer } = await import("clew/http");
const { logMetrics, MeterProvider, meterMetrics, prometheusRoute, runtimeMetrics, traceMetrics } = await import(
  "clew/metrics"
);
const { Context } = await import("clew/context");
const { alwaysOff, createResource, startLogs, startTracing, trace } = await import("clew/trace");

const provider = new MeterProvider({
  resource: createResource({ service: 'the "shop"', version: "2" }),
  views: [{ instrument: "checkout.*", exponential: true }],
});
const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
const inSpan = trace.setSpanContext(Context.root, span);
const odd = 'quote " backslash \\ newline \n ünï 😀';

const meter = provider.getMeter("shop", "1.2", { schemaUrl: "https://example.com/1" });
const described = (description, unit = "") => ({ description, unit });
meter
  .createCounter("orders", described('Orders "placed".\nAll \\ of them.', "{order}"))
  .add(3, { "order.kind": odd }, inSpan);
provider.getMeter("other").createCounter("orders", described("Of another meter.")).add(4);
meter.createUpDownCounter("open", described("Open carts.")).add(-2);
meter.createGauge("load", described("Load.", "1")).record(0.25);
meter.createGauge("tiny", described("A tiny number.")).record(1.5e-9);
meter.createGauge("huge", described("A huge number.")).record(1e21);
const duration = meter.createHistogram("checkout.duration", {
  ...described("How long a checkout takes.", "s"),
  advice: { explicitBucketBoundaries: [0.1, 0.5, 1] },
});
for (const [seconds, count] of [
  [0.05, 10],
  [0.3, 80],
  [0.7, 9],
  [5, 1],
]) {
  for (let index = 0; index < count; index++) duration.record(seconds, { country: "se" }, inSpan);
}
const stopRuntime = runtimeMetrics({ meterProvider: provider });
// What telemetry tells of itself.
const tracing = startTracing({
  exporter: [],
  sampler: alwaysOff,
  tail: true,
  skywalking: { backends: ["127.0.0.1:9"] },
  env: {},
});
const logs = startLogs({ endpoint: "http://127.0.0.1:9", env: {} });
const stopTelling = [traceMetrics(tracing, { meterProvider: provider }), logMetrics(logs, { meterProvider: provider })];
stopTelling.push(meterMetrics({ provider }, { meterProvider: provider }));
trace.getTracer("shop").startSpan("checkout").end();

const server = new HttpServer({ address: "127.0.0.1:0", routes: [prometheusRoute(provider)] });
await server.start();
const folder = mkdtempSync(join(tmpdir(), "prometheus-"));
let judge;
try {
  const page = await (await fetch(new URL("/metrics", server.endpoint()))).text();
  // It fails for what it cannot read, and for names that go against Prometheus's customs.
  const lint = execFileSync(promtool, ["check", "metrics"], {
    input: page,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
  });
  assert.equal(lint.trim(), "");
  console.log(`promtool check metrics: ${page.split("\n").length - 1} lines, nothing to say`);

  const port = await freePort();
  const config = {
    global: { scrape_interval: "1s" },
    scrape_configs: [{ job_name: "shop", static_configs: [{ targets: [server.endpoint().host] }] }],
  };
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
  judge = spawn(
    prometheus,
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--enable-feature=exemplar-storage",
    ],
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  const ask = async (path, query = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(query)}`);
    return (await response.json()).data;
  };
  const value = async (query) => (await ask("query", { query })).result.map((one) => Number(one.value[1]));

  await until(async () => {
    const { activeTargets } = await ask("targets");
    const [{ health, lastError }] = activeTargets;
    assert.equal(lastError, "");
    return health === "up" && (await value("orders_total")).length === 2;
  });
  assert.deepEqual(await value('orders_total{otel_scope_name="shop",otel_scope_version="1.2"}'), [3]);
  assert.deepEqual(await value("sum(orders_total)"), [7]);
  assert.equal(
    (await ask("query", { query: 'orders_total{otel_scope_name="shop"}' })).result[0].metric.order_kind,
    odd,
  );
  assert.deepEqual(
    [await value("open"), await value("load_ratio"), await value("tiny"), await value("huge")],
    [[-2], [0.25], [1.5e-9], [1e21]],
  );
  assert.deepEqual(await value("checkout_duration_seconds_count"), [100]);
  const [median] = await value("histogram_quantile(0.5, checkout_duration_seconds_bucket)");
  assert.ok(Math.abs(median - 0.3) < 0.0001, `${median}`);
  assert.deepEqual(await value('otel_sdk_span_started_total{otel_span_sampling_result="RECORD_ONLY"}'), [1]);
  assert.deepEqual(await value('clew_sdk_tail_span_decided_total{clew_tail_decision="forgotten"}'), [1]);
  const [{ metric: target }] = (await ask("query", { query: "target_info" })).result;
  assert.deepEqual([target.service_name, target.service_version], ['the "shop"', "2"]);
  const metadata = await ask("metadata");
  const types = Object.fromEntries(
    ["orders", "open", "checkout_duration_seconds", "target"].map((name) => [name, metadata[name]?.[0].type]),
  );
  assert.deepEqual(types, { orders: "counter", open: "gauge", checkout_duration_seconds: "histogram", target: "info" });
  assert.equal(metadata.checkout_duration_seconds[0].unit, "seconds");
  assert.equal(metadata.orders[0].help, 'Orders "placed".\nAll \\ of them.');
  const now = Date.now() / 1000;
  for (const query of ["checkout_duration_seconds_bucket", "orders_total"]) {
    const exemplars = await ask("query_exemplars", { query, start: now - 60, end: now + 60 });
    const found = exemplars.flatMap((one) => one.exemplars);
    assert.ok(found.length > 0, query);
    for (const { labels } of found) assert.deepEqual(labels, { trace_id: span.traceId, span_id: span.spanId });
  }
  console.log(
    "Prometheus scraped it as OpenMetrics: values, types, units, help, a quantile, exemplars and target_info are ours",
  );
} finally {
  judge?.kill("SIGKILL");
  if (judge !== undefined && judge.exitCode === null) await once(judge, "close");
  stopRuntime();
  for (const stop of stopTelling) stop();
  await Promise.all([tracing.shutdown(), logs.shutdown()]);
  await server.stop(AbortSignal.timeout(100));
  rmSync(folder, { recursive: true, force: true });
}

async function until(condition) {
  let problem;
  for (let tries = 0; tries < 600; tries++) {
    try {
      if (await condition()) return;
    } catch (error) {
      problem = error;
    }
    await sleep(200);
  }
  throw new Error("not within two minutes", { cause: problem });
}
