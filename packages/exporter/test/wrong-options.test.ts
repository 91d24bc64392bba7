// What a developer gets wrong is told when telemetry is started, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startLogs, startMetrics, startTracing } from "@clew/exporter";
import { ProxyTracerProvider, trace } from "@opentelemetry/api";

const nowhere = { export: async () => true, shutdown: async () => {} };

function refuses(start: (options: never) => unknown, cases: readonly [unknown, RegExp][]): void {
  for (const [options, message] of cases) {
    assert.throws(
      () => start(options as never),
      { code: /^CLEW_(EXPORTER|TRACE|METRICS)_OPTION$/, message },
      String(message),
    );
  }
}

test("startTracing", () => {
  const env = {};
  refuses(startTracing, [
    ["user", /^option options of startTracing is "user"; it must be an object with some of service, /],
    [{ name: "user" }, /^startTracing has no option name; there are service, version, /],
    [{ service: 5 }, /^option service is 5; it must be a text$/],
    [{ sampler: "half" }, /^option sampler is "half"; it must be a sampler such as traceIdRatio\(0\.1\)/],
    [
      { exporter: "console" },
      /^option exporter is "console"; it must be an exporter such as new ConsoleExporter\(\), /,
    ],
    [{ exporter: {} }, /^option exporter is an object; .* which has export\(\), shutdown\(\)$/],
    [{ exporter: [undefined] }, /^option exporter\[0\] is undefined; it must be an exporter/],
    [{ exporter: [nowhere, "file"] }, /^option exporter\[1\] is "file"; it must be an exporter/],
    [{ exporter: [], processors: {} }, /^option processors is an object; it must be a list of processors$/],
    [
      { exporter: [], processors: [{}] },
      /^option processors\[0\] is an object; it must be a processor, which has onStart/,
    ],
    [{ exporter: [], propagator: "b3" }, /^option propagator is "b3"; it must be a propagator/],
    [{ exporter: [], attributes: "a=b" }, /^option attributes is "a=b"; it must be an object/],
    [{ exporter: [], continueFrom: "env" }, /^option continueFrom is "env"; it must be "environment" or/],
    [{ exporter: [], tail: "yes" }, /^option tail is "yes"; it must be true or false/],
    [{ exporter: [], signals: "SIGTERM" }, /^option signals is "SIGTERM"; it must be a list of signals, such as/],
    [{ exporter: [], logger: {} }, /^option logger is an object; it must be a logger/],
    [{ exporter: [], skywalking: { backend: "a:1" } }, /^skywalking has no option backend; there are .*backends/],
    [
      { exporter: nowhere, batch: { size: 5 }, env },
      /^BatchProcessor has no option size; there are capacity, batchSize/,
    ],
    [{ exporter: [], tail: { slow: 5 }, env }, /^TailProcessor has no option slow; there are slowMs/],
    [{ exporter: [], limits: { event: 5 }, env }, /^limits has no option event; there are attributes, /],
  ]);
  assert.ok(trace.getTracerProvider() instanceof ProxyTracerProvider, "nothing was registered");
});

test("startMetrics", async () => {
  const env = {};
  refuses(startMetrics, [
    [{ name: "user" }, /^startMetrics has no option name; there are service, version, /],
    [
      { exporter: "foo" },
      /^option exporter is "foo"; it must be false or an exporter such as new OtlpMetricsExporter\(\), /,
    ],
    [
      { exporter: { shutdown: nowhere.shutdown } },
      /^option exporter is an object; .* which has export\(\), shutdown\(\)$/,
    ],
    [{ runtime: "yes", env }, /^option runtime is "yes"; it must be true or false$/],
    [{ exporter: false, reader: { interval: 5 }, env }, /^PeriodicReader has no option interval; there are intervalMs/],
    [{ exporter: false, provider: { view: [] }, env }, /^MeterProvider has no option view; there are /],
    [
      { exporter: false, provider: { views: [{ nme: "a" }] }, env },
      /^a view has no option nme; there are instrument, /,
    ],
  ]);
  // Nothing was registered: this one can be.
  await startMetrics({ exporter: false, env }).shutdown();
});

test("startLogs", async () => {
  const env = { OTEL_LOGS_EXPORTER: "none" };
  refuses(startLogs, [
    [{ exporter: nowhere }, /^startLogs has no option exporter; there are service, version, /],
    [{ service: ["user"], env }, /^option service is a list; it must be a text$/],
    [{ signals: ["TERM"], env }, /^option signals is a list; it must be a list of signals, such as \["SIGTERM"\]$/],
  ]);
  await startLogs({ env, service: "user", batchSize: 5, compression: "none" }).shutdown();
});
