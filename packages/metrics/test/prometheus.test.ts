import assert from "node:assert/strict";
import { test } from "node:test";
import { Context } from "@clew/context";
import { MeterProvider, renderPrometheus } from "@clew/metrics";
import type { Resource } from "@clew/trace";
import { type Attributes, trace } from "@opentelemetry/api";

const resource: Resource = { attributes: ["service.name", 'the "shop"'], schemaUrl: "" };

function createProvider(): MeterProvider {
  return new MeterProvider({ resource, env: {} });
}

const plain = { scopeLabels: false, targetInfo: false };

async function render(provider: MeterProvider, options = {}): Promise<string[]> {
  return renderPrometheus(await provider.collect(), { ...plain, ...options })
    .trimEnd()
    .split("\n");
}

const sampled = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
const inSpan = trace.setSpanContext(Context.root, sampled);

test("a page in Prometheus's text format", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("lib", "1.2", { schemaUrl: "https://example.com/1" });
  meter
    .createCounter("http.calls", { description: "Calls.\nAll \\ of them.", unit: "{call}" })
    .add(3, { "http.route": "/a" });
  meter.createUpDownCounter("open").add(-2);
  meter.createGauge("load", { unit: "1" }).record(0.5);
  const duration = meter.createHistogram("duration", { unit: "s", advice: { explicitBucketBoundaries: [0.5, 1] } });
  for (const value of [0.1, 0.7, 3]) duration.record(value, { ok: true }, inSpan);
  const scope = 'otel_scope_name="lib",otel_scope_version="1.2",otel_scope_schema_url="https://example.com/1"';
  assert.equal(
    renderPrometheus(await provider.collect()),
    `# TYPE target_info gauge
# HELP target_info Target metadata
target_info{service_name="the \\"shop\\""} 1
# TYPE http_calls_total counter
# HELP http_calls_total Calls.\\nAll \\\\ of them.
http_calls_total{http_route="/a",${scope}} 3
# TYPE open gauge
open{${scope}} -2
# TYPE load_ratio gauge
load_ratio{${scope}} 0.5
# TYPE duration_seconds histogram
duration_seconds_bucket{ok="true",${scope},le="0.5"} 1
duration_seconds_bucket{ok="true",${scope},le="1"} 2
duration_seconds_bucket{ok="true",${scope},le="+Inf"} 3
duration_seconds_sum{ok="true",${scope}} 3.8
duration_seconds_count{ok="true",${scope}} 3
`,
  );
});

test("the same page in OpenMetrics has units, exemplars and an end", async () => {
  const provider = createProvider();
  const meter = provider.getMeter("lib");
  meter.createCounter("calls", { description: 'The "calls".' }).add(3, {}, inSpan);
  const duration = meter.createHistogram("duration", { unit: "s", advice: { explicitBucketBoundaries: [0.5, 1] } });
  for (const value of [0.1, 3]) duration.record(value, {}, inSpan);
  const ids = `trace_id="${sampled.traceId}",span_id="${sampled.spanId}"`;
  const page = renderPrometheus(await provider.collect(), { openMetrics: true });
  const times = [...page.matchAll(/ (\d+\.\d{3})$/gm)].map(([, seconds]) => Number(seconds));
  assert.equal(times.length, 3);
  for (const seconds of times) assert.ok(Math.abs(seconds - Date.now() / 1000) < 60);
  assert.equal(
    page.replaceAll(/ \d+\.\d{3}$/gm, " T"),
    `# TYPE target info
# HELP target Target metadata
target_info{service_name="the \\"shop\\""} 1
# TYPE calls counter
# HELP calls The \\"calls\\".
calls_total{otel_scope_name="lib"} 3 # {${ids}} 3 T
# TYPE duration_seconds histogram
# UNIT duration_seconds seconds
duration_seconds_bucket{otel_scope_name="lib",le="0.5"} 1 # {${ids}} 0.1 T
duration_seconds_bucket{otel_scope_name="lib",le="1.0"} 1
duration_seconds_bucket{otel_scope_name="lib",le="+Inf"} 2 # {${ids}} 3 T
duration_seconds_sum{otel_scope_name="lib"} 3.1
duration_seconds_count{otel_scope_name="lib"} 2
# EOF
`,
  );
});

test("names are translated with their units", async () => {
  // name, unit, kind of instrument; the family it becomes.
  const cases = [
    ["http.server.request.duration", "s", "Histogram", "http_server_request_duration_seconds histogram"],
    ["http.server.request.body.size", "By", "Histogram", "http_server_request_body_size_bytes histogram"],
    ["server_requests_code_total", "{call}", "Counter", "server_requests_code_total counter"],
    ["server_requests_seconds", "s", "Histogram", "server_requests_seconds histogram"],
    ["process.cpu.time", "s", "Counter", "process_cpu_time_seconds_total counter"],
    ["cpu.load", "1", "Gauge", "cpu_load_ratio gauge"],
    ["hits", "1", "Counter", "hits_total counter"],
    ["active", "{request}", "UpDownCounter", "active gauge"],
    ["disk.io", "By/s", "Gauge", "disk_io_bytes_per_second gauge"],
    ["rate", "{packet}/s", "Gauge", "rate_per_second gauge"],
    ["fill", "%", "Gauge", "fill_percent gauge"],
    ["latency", "ms", "Gauge", "latency_milliseconds gauge"],
    ["speed", "km/h", "Gauge", "speed_km_per_hour gauge"],
    ["memory.bytes", "By", "Gauge", "memory_bytes gauge"],
    ["a-b/c..d__e", "", "Gauge", "a_b_c_d_e gauge"],
    ["odd", "a.b c", "Gauge", "odd_a_b_c gauge"],
  ] as const;
  for (const [name, unit, kind, expected] of cases) {
    const provider = createProvider();
    const meter = provider.getMeter("lib");
    const instrument = meter[`create${kind}`](name, { unit });
    if ("add" in instrument) instrument.add(1);
    else instrument.record(1);
    assert.equal((await render(provider))[0], `# TYPE ${expected}`, name);
  }
});

test("labels are translated and escaped; two that become one are joined", async () => {
  const provider = createProvider();
  const attributes: Attributes = {
    "a.b": "first",
    a_b: "second",
    "1st": 'quote " backslash \\ newline \n end',
    ünïcode: "ünï",
    list: ["x", 'y"'],
    __x: 1,
  };
  provider.getMeter("lib").createGauge("g").record(1, attributes);
  assert.equal(
    (await render(provider))[1],
    'g{key_1st="quote \\" backslash \\\\ newline \\n end",_x="1",a_b="first;second",list="[\\"x\\",\\"y\\\\\\"\\"]",_n_code="ünï"} 1',
  );
});

test("one family for a name in several scopes, and none for a name that another kind has taken", async () => {
  const provider = createProvider();
  provider.getMeter("one").createCounter("calls", { description: "First." }).add(1);
  provider.getMeter("two").createCounter("calls", { description: "Second." }).add(2);
  provider.getMeter("three").createGauge("calls").record(3);
  provider.getMeter("four").createGauge("calls_total").record(4);
  provider
    .getMeter("five")
    .createHistogram("size", { advice: { explicitBucketBoundaries: [] } })
    .record(1);
  provider.getMeter("six").createGauge("size_count").record(6);
  assert.deepEqual(await render(provider, { scopeLabels: true }), [
    "# TYPE calls_total counter",
    "# HELP calls_total First.",
    'calls_total{otel_scope_name="one"} 1',
    'calls_total{otel_scope_name="two"} 2',
    "# TYPE size histogram",
    'size_bucket{otel_scope_name="five",le="+Inf"} 1',
    'size_sum{otel_scope_name="five"} 1',
    'size_count{otel_scope_name="five"} 1',
  ]);
});

test("nothing measured is an empty page, and in OpenMetrics one with an end", async () => {
  const data = await createProvider().collect();
  assert.equal(renderPrometheus(data, plain).trim(), "");
  assert.equal(renderPrometheus(data, { ...plain, openMetrics: true }), "# EOF\n");
});
