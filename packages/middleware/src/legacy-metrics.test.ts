// Calls under the names that OpenTelemetry's instrumentations measured before the conventions were stable: milliseconds, and the
// attributes of their spans.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeterProvider } from "@clew/metrics";
import { type Call, ServiceError } from "@clew/rpc";
import { answer, fail } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { metrics } from "./metrics.ts";

/** Every series of the calls made: instrument, attributes, and how often or how much. */
async function measure(calls: readonly [Call, ServiceError | undefined][]) {
  const meterProvider = new MeterProvider({ env: {} });
  const middleware = metrics({ meterProvider, names: "legacy" });
  for (const [call, error] of calls) {
    await middleware(error === undefined ? answer : fail(error))(call).catch(() => {});
  }
  const { scopes } = await meterProvider.collect();
  const found = scopes.flatMap(({ metrics }) => metrics);
  const series: Record<string, number> = {};
  for (const metric of found) {
    const points = metric.type === "histogram" ? metric.points : metric.type === "sum" ? metric.points : [];
    for (const point of points) {
      series[`${metric.name} ${point.attributes.join(" ")}`] = "count" in point ? point.count : point.value;
    }
  }
  return { series, found };
}

function httpCall(): TestCall {
  const call = new TestCall("server");
  call.httpInfo = { verb: "POST", path: "/hello/1", route: "/hello/{id}", scheme: "https", version: "1.1" };
  return call;
}

test("of HTTP/JSON", async () => {
  const { series, found } = await measure([
    [httpCall(), undefined],
    [httpCall(), new ServiceError(404, "GONE", "gone")],
  ]);
  const base = "http.flavor 1.1 http.method POST http.route /hello/{id} http.scheme https";
  assert.deepEqual(series, {
    [`http.server.duration ${base} http.status_code 200`]: 1,
    [`http.server.duration ${base} http.status_code 404`]: 1,
    "http.server.active_requests http.method POST http.scheme https": 0,
  });
  const duration = found.find(({ name }) => name === "http.server.duration");
  assert.equal(duration?.unit, "ms");
  assert.deepEqual(duration?.type === "histogram" && duration.boundaries.slice(0, 3), [0, 5, 10]);
});

test("of RPC, on both sides", async () => {
  const { series } = await measure([
    [new TestCall("server"), undefined],
    [new TestCall("client"), new ServiceError(503, "AWAY", "away")],
  ]);
  const method = "rpc.method SayHello rpc.service rpc.test.Greeter rpc.system memory";
  assert.deepEqual(series, {
    [`rpc.server.duration rpc.grpc.status_code 0 ${method}`]: 1,
    [`rpc.client.duration rpc.grpc.status_code 14 ${method}`]: 1,
  });
});

test("a duration is told in milliseconds", async () => {
  const call = Object.assign(httpCall(), { startMs: performance.now() - 60_000 });
  const { found } = await measure([[call, undefined]]);
  const duration = found.find(({ name }) => name === "http.server.duration");
  assert.ok(duration?.type === "histogram" && duration.points[0]!.sum >= 60_000);
});
