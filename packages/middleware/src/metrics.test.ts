import assert from "node:assert/strict";
import { test } from "node:test";
import { Context } from "@clew/context";
import { type HttpInfo, ServiceError } from "@clew/rpc";
import { findAttribute, type SpanData, TracerProvider } from "@clew/trace";
import {
  type Attributes,
  createNoopMeter,
  type MeterProvider,
  type MetricOptions,
  SpanStatusCode,
} from "@opentelemetry/api";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";
import { answer, drain, fail, hello, invoke, stream } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { type MetricsOptions, metrics } from "./metrics.ts";
import { tracing } from "./tracing.ts";

interface Measurement {
  name: string;
  value: number;
  attributes: Attributes | undefined;
}

/** The middleware over a provider that notes what is measured. */
function createMetrics(options: MetricsOptions = {}) {
  const measurements: Measurement[] = [];
  const instruments = new Map<string, MetricOptions | undefined>();
  const meters: string[] = [];
  const note = (name: string, instrumentOptions?: MetricOptions) => {
    instruments.set(name, instrumentOptions);
    const measure = (value: number, attributes?: Attributes) => void measurements.push({ name, value, attributes });
    return { add: measure, record: measure };
  };
  const meter = Object.assign(createNoopMeter(), {
    createCounter: note,
    createUpDownCounter: note,
    createHistogram: note,
  });
  const meterProvider: MeterProvider = {
    getMeter: (name) => {
      meters.push(name);
      return meter;
    },
  };
  /** What was measured under a name; how long it took is checked and left out. */
  const take = (name: string) =>
    measurements
      .filter((one) => one.name === name)
      .map(({ value, attributes }) => {
        if (!/duration|seconds/.test(name)) return [value, attributes];
        assert.ok(value >= 0 && value < 5, `${value} s`);
        return attributes;
      });
  return { middleware: metrics({ meterProvider, ...options }), take, instruments, meters, measurements };
}

test("a server's call is an rpc.server.call.duration in seconds, by method and status", async () => {
  const { middleware, take, instruments, meters } = createMetrics();
  assert.equal(await invoke(middleware, answer, new TestCall("server")), hello);
  const error = new ServiceError(404, "USER_NOT_FOUND", "no user");
  await assert.rejects(invoke(middleware, fail(error), new TestCall("server")), (same) => same === error);
  const common = { "rpc.system.name": "memory", "rpc.method": "rpc.test.Greeter/SayHello" };
  assert.deepEqual(take("rpc.server.call.duration"), [
    { ...common, "rpc.status_code": "OK" },
    { ...common, "rpc.status_code": "NOT_FOUND" },
  ]);
  assert.equal(instruments.get("rpc.server.call.duration")?.unit, "s");
  assert.equal(instruments.get("rpc.server.call.duration")?.advice?.explicitBucketBoundaries?.length, 14);
  assert.deepEqual(meters, ["clew"]);
});

test("a client's call is an rpc.client.call.duration", async () => {
  const { middleware, take } = createMetrics();
  await assert.rejects(invoke(middleware, fail(new Error("mistake")), new TestCall("client")));
  assert.deepEqual(take("rpc.client.call.duration"), [
    {
      "rpc.system.name": "memory",
      "rpc.method": "rpc.test.Greeter/SayHello",
      "rpc.status_code": "INTERNAL",
      "error.type": "UNKNOWN",
    },
  ]);
  assert.deepEqual(take("rpc.server.call.duration"), []);
});

test("a call over HTTP/JSON is an http.server.request.duration by verb, route and status", async () => {
  const { middleware, take } = createMetrics();
  for (const thrown of [undefined, new ServiceError(503, "", "down")]) {
    const call = new TestCall("server");
    call.httpInfo = { verb: "GET", path: "/v1/users/7", route: "/v1/users/{id}", scheme: "https" };
    await invoke(middleware, thrown === undefined ? answer : fail(thrown), call).catch(() => {});
  }
  const common = { "http.request.method": "GET", "url.scheme": "https", "http.route": "/v1/users/{id}" };
  assert.deepEqual(take("http.server.request.duration"), [
    { ...common, "http.response.status_code": 200 },
    { ...common, "http.response.status_code": 503, "error.type": "503" },
  ]);
  const active = take("http.server.active_requests").flat();
  assert.deepEqual(
    active.filter((value) => typeof value === "number"),
    [1, -1, 1, -1],
  );
});

test("the attributes of a call are its own when one operation is called in different ways", async () => {
  const { middleware, take } = createMetrics();
  const infos = [
    { verb: "GET", path: "/a/1", route: "/a/{id}" },
    { verb: "GET", path: "/b/1", route: "/b/{id}" },
    { verb: "POST", path: "/b/1", route: "/b/{id}" },
    undefined,
  ];
  for (const info of [...infos, ...infos]) {
    const call = new TestCall("server");
    call.httpInfo = info;
    await invoke(middleware, answer, call);
  }
  const ways = take("http.server.request.duration").map((attributes) => Object.values(attributes ?? {}).join(" "));
  const once = ["GET http /a/{id} 200", "GET http /b/{id} 200", "POST http /b/{id} 200"];
  assert.deepEqual(ways, [...once, ...once]);
  assert.equal(take("rpc.server.call.duration").length, 2);
});

test("a stream is in flight until its end", async () => {
  const { middleware, take } = createMetrics();
  const call = new TestCall("server", {}, Context.root, Greeter.method.repeat);
  const error = new ServiceError(409, "TAKEN", "taken");
  const reply = await invoke(middleware, async () => stream(error), call);
  const attributes = { "rpc.system.name": "memory", "rpc.method": "rpc.test.Greeter/Repeat" };
  assert.deepEqual(take("rpc.server.active_calls"), [[1, attributes]]);
  assert.deepEqual(take("rpc.server.call.duration"), []);
  await assert.rejects(drain(reply));
  assert.deepEqual(take("rpc.server.active_calls"), [
    [1, attributes],
    [-1, attributes],
  ]);
  assert.deepEqual(take("rpc.server.call.duration"), [{ ...attributes, "rpc.status_code": "ABORTED" }]);
});

test("with Kratos's names, its labels and buckets", async () => {
  for (const side of ["server", "client"] as const) {
    const { middleware, take, instruments } = createMetrics({ names: "kratos", meterName: "shop" });
    await invoke(middleware, answer, new TestCall(side));
    await invoke(middleware, fail(new ServiceError(429, "RATELIMIT", "x")), new TestCall(side)).catch(() => {});
    const labels = { kind: "memory", operation: "/rpc.test.Greeter/SayHello" };
    assert.deepEqual(take(`${side}_requests_code_total`), [
      [1, { ...labels, code: 200, reason: "" }],
      [1, { ...labels, code: 429, reason: "RATELIMIT" }],
    ]);
    assert.deepEqual(take(`${side}_requests_seconds`), [labels, labels]);
    assert.deepEqual(
      take(`${side}_requests_in_flight`),
      [1, -1, 1, -1].map((value) => [value, labels]),
    );
    assert.deepEqual(
      instruments.get(`${side}_requests_seconds`)?.advice?.explicitBucketBoundaries,
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    );
    assert.equal(instruments.get(`${side}_requests_code_total`)?.unit, "{call}");
  }
});

test("without a provider nothing is measured and calls pass", async () => {
  assert.equal(await invoke(metrics(), answer, new TestCall("server")), hello);
});

test("names that are not known are an error", () => {
  assert.throws(() => metrics({ names: "prometheus" as "kratos" }), { code: "CLEW_MIDDLEWARE_OPTION" });
});

test("what is an error of this side is one for the metric and for the span alike", async () => {
  const http = { verb: "GET", path: "/", route: "/" };
  const cases: [side: "server" | "client", http: HttpInfo | undefined, thrown: ServiceError | undefined][] = [];
  for (const code of [400, 404, 418, 429, 499, 500, 501, 503, 504]) {
    for (const reason of ["", "REASON"]) {
      const error = new ServiceError(code, reason, "no");
      cases.push(["client", undefined, error], ["server", undefined, error], ["server", http, error]);
    }
  }
  // A handler that answers so, and throws nothing.
  cases.push(["server", { ...http, status: 503 }, undefined], ["server", { ...http, status: 404 }, undefined]);
  cases.push(["server", http, new ServiceError(302, "", "elsewhere")]);
  let errors = 0;
  for (const [side, httpInfo, thrown] of cases) {
    const { middleware, measurements } = createMetrics();
    const ended: SpanData[] = [];
    const processor = {
      onStart() {},
      onEnd: (span: SpanData) => void ended.push(span),
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    const traced = tracing({ tracerProvider: new TracerProvider({ processor, env: {} }) });
    const call = new TestCall(side);
    call.httpInfo = httpInfo;
    const handler = thrown === undefined ? answer : fail(thrown);
    await invoke((next) => traced(middleware(next)), handler, call).catch(() => {});
    const told = measurements.find(({ name }) => name.endsWith(".duration"))?.attributes?.["error.type"];
    const message = `${side} ${httpInfo === undefined ? "rpc" : "http"} ${thrown?.code ?? httpInfo?.status}`;
    assert.equal(told, findAttribute(ended[0]!.attributes, "error.type"), message);
    assert.equal(ended[0]!.statusCode === SpanStatusCode.ERROR, told !== undefined, message);
    if (told !== undefined) errors++;
  }
  // All 18 of the client, UNKNOWN and 500 and above of the server, and one that was only answered.
  assert.equal(errors, 18 + 2 * 5 + 2 * 4 + 1);
});
