// A variable that says what nobody knows is told once: its name, what it says, what would be accepted, what holds now. Without a
// time limit that makes sense nothing can be sent: that is an error, which says the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  DynamicConfiguration,
  OtlpExporter,
  OtlpLogs,
  RuntimeMeters,
  SkyWalkingExporter,
  SkyWalkingLogs,
  startTracing,
  TraceProfiler,
  ZipkinExporter,
} from "@clew/exporter";
import { MeterProvider, PeriodicReader } from "@clew/metrics";
import { DynamicSampler, logContextFields, SegmentProcessor, SkyWalkingPropagator } from "@clew/trace/skywalking";

type Env = Readonly<Record<string, string>>;
const nowhere = { export: async () => true, shutdown: async () => {} };

function withExporter(read: (exporter: SkyWalkingExporter, env: Env) => unknown): (env: Env) => Promise<void> {
  return async (env) => {
    const exporter = new SkyWalkingExporter({ env: {} });
    await read(exporter, env);
    await exporter.shutdown();
  };
}

/** What reads each variable, and how it lets go. */
const readers: readonly (readonly [names: readonly string[], read: (env: Env) => unknown])[] = [
  [
    [
      "OTEL_BLRP_MAX_QUEUE_SIZE",
      "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
      "OTEL_BLRP_SCHEDULE_DELAY",
      "OTEL_BLRP_EXPORT_TIMEOUT",
    ],
    (env) => new OtlpLogs({ env }).shutdown(),
  ],
  [
    ["OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
    (env) => new PeriodicReader(new MeterProvider({ env: {} }), nowhere, { env }).shutdown(),
  ],
  [["OTEL_METRICS_EXEMPLAR_FILTER"], (env) => new MeterProvider({ env })],
  [
    ["SW_AGENT_CORRELATION_MAX_KEY_COUNT", "SW_AGENT_CORRELATION_MAX_VALUE_SIZE"],
    (env) => new SkyWalkingPropagator({ env }),
  ],
  [
    [
      "SW_AGENT_MAX_BUFFER_SIZE",
      "SW_AGENT_REPORTER_GRPC_MAX_SEND_QUEUE",
      "SW_AGENT_SPAN_LIMIT",
      "SW_TRACE_SEGMENT_LIMIT",
      "SW_LOG_LIMIT_PER_SPAN",
      "SW_COLD_ENDPOINT",
    ],
    (env) =>
      new SegmentProcessor(
        { export: async () => ({ outcome: "exported" }), shutdown: async () => {} },
        { env },
      ).shutdown(),
  ],
  [["SW_AGENT_LOG_TRACING_ENABLE"], (env) => logContextFields({ service: "shop", instance: "shop-1" }, env)],
  [["SW_AGENT_SAMPLE"], (env) => new DynamicSampler({ env })],
  [
    ["SW_AGENT_NODEJS_RUNTIME_METRICS_REPORT_PERIOD", "SW_AGENT_METER_COLLECT_INTERVAL"],
    withExporter((exporter, env) => new RuntimeMeters(exporter, { env }).stop()),
  ],
  [
    ["SW_AGENT_REPORTER_GRPC_CDS_FETCH_INTERVAL"],
    withExporter((exporter, env) => new DynamicConfiguration(exporter, [], { env }).stop()),
  ],
  [
    ["SW_AGENT_REPORTER_GRPC_PROFILE_FETCH_INTERVAL"],
    withExporter((exporter, env) => new TraceProfiler(exporter, { env }).shutdown()),
  ],
  [["SW_AGENT_LOG_REPORTER_ENABLE"], withExporter((exporter, env) => new SkyWalkingLogs(exporter, { env }).shutdown())],
  [
    [
      "SW_AGENT_SECURE",
      "SW_AGENT_REPORTER_GRPC_TLS_ENABLE",
      "SW_AGENT_REPORTER_GRPC_TLS_INSECURE_SKIP_VERIFY",
      "SW_AGENT_REPORTER_DISCARD",
    ],
    (env) => new SkyWalkingExporter({ env }).shutdown(),
  ],
  [
    ["SW_AGENT_NODEJS_RUNTIME_METRICS_REPORTER_ACTIVE"],
    (env) => startTracing({ exporter: [], env, skywalking: true }).shutdown(),
  ],
];

for (const [names, read] of readers) {
  for (const name of names) {
    test(`${name}=many`, async () => {
      const told: string[] = [];
      const listen = (warning: Error): void => void told.push(warning.message);
      process.on("warning", listen);
      await read({ [name]: "many" });
      await read({ [name]: "many" });
      await nextTurn();
      process.off("warning", listen);
      assert.equal(told.length, 1);
      assert.match(told[0]!, new RegExp(`^${name} is "many"; accepted: .+\\. Now .+ holds\\.$`));
    });
  }
}

test("times of exporters", () => {
  const cases: readonly [string, (env: Env) => unknown, string][] = [
    ["OTEL_EXPORTER_OTLP_TIMEOUT", (env) => new OtlpExporter({ env }), "milliseconds"],
    ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", (env) => new OtlpExporter({ env }), "milliseconds"],
    ["OTEL_EXPORTER_ZIPKIN_TIMEOUT", (env) => new ZipkinExporter({ env }), "milliseconds"],
    ["SW_AGENT_TRACE_TIMEOUT", (env) => new SkyWalkingExporter({ env }), "milliseconds"],
    ["SW_AGENT_REPORTER_CHECK_INTERVAL", (env) => new SkyWalkingExporter({ env }), "seconds"],
  ];
  for (const [name, make, unit] of cases) {
    const message = `${name} is "many"; it must be a number of ${unit} above 0`;
    assert.throws(() => make({ [name]: "many" }), { code: "CLEW_EXPORTER_TIMEOUT", message });
  }
  const message = "heartbeatMs is 0; it must be a number of milliseconds above 0";
  assert.throws(() => new SkyWalkingExporter({ heartbeatMs: 0 }), { code: "CLEW_EXPORTER_TIMEOUT", message });
});
