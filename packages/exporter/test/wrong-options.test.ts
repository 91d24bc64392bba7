// What a developer gets wrong is told when telemetry is started, with the option's name and what would work.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  ConsoleExporter,
  DynamicConfiguration,
  FileExporter,
  KafkaMessages,
  OtlpExporter,
  OtlpLogs,
  OtlpMetricsExporter,
  RuntimeMeters,
  SkyWalkingExporter,
  SkyWalkingLogs,
  StoreExporter,
  startLogs,
  startMetrics,
  startTracing,
  TraceProfiler,
  ZipkinExporter,
} from "@clew/exporter";
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
    ["user", /^the options of startTracing are "user"; they must be an object with any of service, /],
    [{ name: "user" }, /^startTracing has no option name; its options are service, version, /],
    [{ service: 5 }, /^option service is 5; it must be a string$/],
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
    [{ exporter: [], skywalking: { backend: "a:1" } }, /^skywalking has no option backend; its options are .*backends/],
    [{ exporter: [], thread: "both" }, /^option thread is "both"; it must be "main" or "worker"$/],
    [{ exporter: [], endpoint: 4318 }, /^option endpoint is 4318; it must be a string$/],
    [{ exporter: [], env: "production" }, /^option env is "production"; it must be an object$/],
    [{ batch: "fast" }, /^the options of batch are "fast"; they must be an object with any of capacity, /],
    [{ batch: { size: 5 } }, /^batch has no option size; its options are capacity, batchSize/],
    [
      { exporter: [], batch: { capacity: "8192" } },
      /^option batch\.capacity is "8192"; it must be a whole number from 1/,
    ],
    [{ batch: { batchSize: 0 } }, /^option batch\.batchSize is 0; it must be a whole number from 1$/],
    [
      { batch: { delayMs: Number.NaN } },
      /^option batch\.delayMs is NaN; it must be a number of milliseconds from 1 to/,
    ],
    [
      { batch: { exportTimeoutMs: Number.POSITIVE_INFINITY } },
      /^option batch\.exportTimeoutMs is Infinity; it must be/,
    ],
    [{ batch: { env: 5 } }, /^option batch\.env is 5; it must be an object$/],
    [{ tail: { slow: 5 } }, /^tail has no option slow; its options are slowMs/],
    [{ tail: { slowMs: "1s" } }, /^option tail\.slowMs is "1s"; it must be a number from 0$/],
    [{ tail: { slowMsByName: { a: -1 } } }, /^option tail\.slowMsByName\["a"\] is -1; it must be a number from 0$/],
    [{ tail: { maxTraces: Number.NaN } }, /^option tail\.maxTraces is NaN; it must be a whole number from 1$/],
    [{ doctor: "yes" }, /^option doctor is "yes"; it must be true or false$/],
    [{ doctor: { leakMs: -1 } }, /^option doctor\.leakMs is -1; it must be a number from 0$/],
    [{ doctor: { stacks: 5 } }, /^option doctor\.stacks is 5; it must be a number from 0 to 1$/],
    [{ limits: 5 }, /^the options of limits are 5; they must be an object with any of attributes, /],
    [{ limits: { events: -1 } }, /^option limits\.events is -1; it must be a whole number from 0, or Infinity/],
    [{ limits: { valueLength: "long" } }, /^option limits\.valueLength is "long"; it must be a whole number/],
    [{ skywalking: { capacity: 0 } }, /^option skywalking\.capacity is 0; it must be a whole number from 1/],
    [
      { skywalking: { backends: "a:1" } },
      /^option skywalking\.backends is "a:1"; it must be a list of addresses, such as/,
    ],
    [{ skywalking: { sampling: true } }, /^the options of skywalking\.sampling are true; they must be an object/],
    [
      { skywalking: { sampling: { rate: 50 } } },
      /^option skywalking\.sampling\.rate is 50; it must be a number from 0 to 1/,
    ],
    [
      { skywalking: { tls: { ca: 5 } } },
      /^option skywalking\.tls\.ca is 5; it must be the PEM text of it, or a Buffer/,
    ],
    [{ skywalking: { profiling: "on" } }, /^option skywalking\.profiling is "on"; it must be true or false$/],
    [{ exporter: [], limits: { event: 5 }, env }, /^limits has no option event; its options are attributes, /],
  ]);
  assert.ok(trace.getTracerProvider() instanceof ProxyTracerProvider, "nothing was registered");
});

test("startMetrics", async () => {
  const env = {};
  refuses(startMetrics, [
    [{ name: "user" }, /^startMetrics has no option name; its options are service, version, /],
    [
      { exporter: "foo" },
      /^option exporter is "foo"; it must be false or an exporter such as new OtlpMetricsExporter\(\), /,
    ],
    [
      { exporter: { shutdown: nowhere.shutdown } },
      /^option exporter is an object; .* which has export\(\), shutdown\(\)$/,
    ],
    [{ endpoint: 4318 }, /^option endpoint is 4318; it must be a string$/],
    [{ reader: "fast" }, /^option reader is "fast"; it must be an object$/],
    [{ provider: [] }, /^option provider is a list; it must be an object$/],
    [{ runtime: "yes", env }, /^option runtime is "yes"; it must be true or false$/],
    [
      { exporter: false, reader: { interval: 5 }, env },
      /^PeriodicReader has no option interval; its options are intervalMs/,
    ],
    [{ exporter: false, provider: { view: [] }, env }, /^MeterProvider has no option view; its options are /],
    [
      { exporter: false, provider: { views: [{ nme: "a" }] }, env },
      /^a view has no option nme; its options are instrument, /,
    ],
  ]);
  // Nothing was registered: this one can be.
  await startMetrics({ exporter: false, env }).shutdown();
});

test("startLogs", async () => {
  const env = { OTEL_LOGS_EXPORTER: "none" };
  refuses(startLogs, [
    [{ exporter: nowhere }, /^startLogs has no option exporter; its options are service, version, /],
    [{ service: ["user"], env }, /^option service is a list; it must be a string$/],
    [{ batchSize: "5", env }, /^option batchSize is "5"; it must be a whole number from 1$/],
    [{ delayMs: -1, env }, /^option delayMs is -1; it must be a number of milliseconds from 1/],
    [{ resource: "user", env }, /^option resource is "user"; it must be a resource/],
    [{ signals: ["TERM"], env }, /^option signals is a list; it must be a list of signals, such as \["SIGTERM"\]$/],
  ]);
  await startLogs({ env, service: "user", batchSize: 5, compression: "none" }).shutdown();
});

test("exporters", () => {
  const skywalking = new SkyWalkingExporter({ env: {} });
  after(() => skywalking.shutdown());
  const makers: Readonly<Record<string, (options: never) => unknown>> = {
    OtlpExporter: (options) => new OtlpExporter(options),
    OtlpMetricsExporter: (options) => new OtlpMetricsExporter(options),
    OtlpLogs: (options) => new OtlpLogs(options),
    ZipkinExporter: (options) => new ZipkinExporter(options),
    SkyWalkingExporter: (options) => new SkyWalkingExporter(options),
    SkyWalkingLogs: (options) => new SkyWalkingLogs(skywalking, options),
    KafkaMessages: (options) => new KafkaMessages(options),
    RuntimeMeters: (options) => new RuntimeMeters(skywalking, options),
    TraceProfiler: (options) => new TraceProfiler(skywalking, options),
    DynamicConfiguration: (options) => new DynamicConfiguration(skywalking, [], options),
    FileExporter: (options) => new FileExporter(options),
    StoreExporter: (options) => new StoreExporter(options),
    ConsoleExporter: (options) => new ConsoleExporter(options),
  };
  const refused = (name: string, options: unknown, message: RegExp): void => {
    const code = name === "FileExporter" ? "CLEW_EXPORTER_FILE_OPTION" : "CLEW_EXPORTER_OPTION";
    assert.throws(() => makers[name]!(options as never), { code, message }, `${name} ${message}`);
  };
  for (const name of Object.keys(makers)) {
    refused(name, "user", RegExp(`^the options of ${name} are "user"; they must be an object with any of \\w+`));
    refused(name, { nothing: 5 }, RegExp(`^${name} has no option nothing; its options are \\w+`));
  }
  for (const name of ["OtlpExporter", "OtlpMetricsExporter", "OtlpLogs", "ZipkinExporter"]) {
    const cases: [object, RegExp][] = [
      [{ endpoint: 4318 }, /^option endpoint is 4318; it must be a string$/],
      [{ headers: "a=b" }, /^option headers is "a=b"; it must be an object of strings, such as \{ authorization/],
      [{ headers: { authorization: 5 } }, /^option headers\["authorization"\] is 5; it must be a string$/],
      [{ timeoutMs: "5s" }, /^option timeoutMs is "5s"; it must be a number$/],
      [{ tls: true }, /^the options of tls are true; they must be an object with any of ca, cert, key$/],
      [{ tls: { ca: 5 } }, /^option tls\.ca is 5; it must be the PEM text of it, or a Buffer/],
      [{ tls: { certificate: "" } }, /^tls has no option certificate; its options are ca, cert, key$/],
      [{ retry: false }, /^the options of retry are false; they must be an object with any of initialMs, /],
      [{ retry: { initialMs: 0 } }, /^option retry\.initialMs is 0; it must be a number of milliseconds from 1/],
      [{ retry: { maxMs: Number.NaN } }, /^option retry\.maxMs is NaN; it must be a number of milliseconds/],
      [{ retry: { limitMs: -1 } }, /^option retry\.limitMs is -1; it must be a number from 0$/],
      [{ maxConcurrentExports: 0 }, /^option maxConcurrentExports is 0; it must be a whole number from 1$/],
      [{ maxConcurrentExports: Number.POSITIVE_INFINITY }, /^option maxConcurrentExports is Infinity; it must be/],
      [{ logger: {} }, /^option logger is an object; it must be a logger, which has info\(\), /],
      [{ env: "production" }, /^option env is "production"; it must be an object$/],
    ];
    for (const [options, message] of cases) refused(name, options, message);
  }
  const cases: [string, object, RegExp][] = [
    ["OtlpLogs", { capacity: Number.NaN }, /^option capacity is NaN; it must be a whole number from 1/],
    ["SkyWalkingExporter", { backends: "a:1" }, /^option backends is "a:1"; it must be a list of addresses, such as/],
    ["SkyWalkingExporter", { backends: [5] }, /^option backends\[0\] is 5; it must be a string$/],
    ["SkyWalkingExporter", { secure: "true" }, /^option secure is "true"; it must be true or false$/],
    ["SkyWalkingExporter", { heartbeatMs: "20s" }, /^option heartbeatMs is "20s"; it must be a number$/],
    ["SkyWalkingExporter", { properties: { zone: 5 } }, /^option properties\["zone"\] is 5; it must be a string$/],
    ["SkyWalkingExporter", { instance: 5 }, /^option instance is 5; it must be a string$/],
    [
      "SkyWalkingExporter",
      { kafka: {} },
      /^option kafka\.producer is undefined; it must be what sends messages to Kafka/,
    ],
    ["SkyWalkingExporter", { kafka: { producer: {} } }, /^option kafka\.producer is an object; it must be what sends/],
    [
      "SkyWalkingExporter",
      { kafka: { producer: { send() {} }, batchBytes: 0 } },
      /^option kafka\.batchBytes is 0; it must be a whole number from 1/,
    ],
    ["SkyWalkingLogs", { labelKeys: "user" }, /^option labelKeys is "user"; it must be a list of names of fields/],
    ["SkyWalkingLogs", { capacity: 0 }, /^option capacity is 0; it must be a whole number from 1/],
    ["SkyWalkingLogs", { delayMs: "1s" }, /^option delayMs is "1s"; it must be a number of milliseconds/],
    ["KafkaMessages", { topics: "spans" }, /^the options of topics are "spans"; they must be an object with any of/],
    ["KafkaMessages", { topics: { segments: 5 } }, /^option topics\.segments is 5; it must be a string$/],
    ["KafkaMessages", { topics: { segment: "a" } }, /^topics has no option segment; its options are segments, /],
    ["KafkaMessages", { namespace: 5 }, /^option namespace is 5; it must be a string$/],
    ["RuntimeMeters", { periodMs: 0 }, /^option periodMs is 0; it must be a number of milliseconds from 1/],
    ["TraceProfiler", { intervalMs: Number.NaN }, /^option intervalMs is NaN; it must be a number of milliseconds/],
    ["TraceProfiler", { maxRequestMs: 2 ** 31 }, /^option maxRequestMs is 2147483648; it must be a number of mill/],
    [
      "DynamicConfiguration",
      { intervalMs: -1 },
      /^option intervalMs is -1; it must be a number of milliseconds from 0/,
    ],
    ["FileExporter", { path: 5 }, /^option path is 5; it must be the path of a file, or "-"$/],
    ["FileExporter", { path: "" }, /^option path is ""; it must be the path of a file, or "-"$/],
    ["FileExporter", { maxBytes: "64MB" }, /^option maxBytes is "64MB"; it must be a number from 1$/],
    ["FileExporter", { keptFiles: 1.5 }, /^option keptFiles is 1\.5; it must be a whole number from 0/],
    ["FileExporter", { sync: "always" }, /^option sync is "always"; it must be "batch", "file" or "never"$/],
    ["FileExporter", { logger: "stdout" }, /^option logger is "stdout"; it must be a logger/],
    [
      "StoreExporter",
      { store: "traces.db" },
      /^option store is "traces\.db"; it must be an open trace store, as openSqliteStore/,
    ],
    ["StoreExporter", { sqlite: "traces.db" }, /^the options of sqlite are "traces\.db"; they must be an object with/],
    ["StoreExporter", { sqlite: {} }, /^option sqlite\.file is undefined; it must be the path of a file$/],
    ["StoreExporter", { sqlite: { file: "" } }, /^option sqlite\.file is ""; it must be the path of a file$/],
    [
      "StoreExporter",
      { sqlite: { file: "a", maxBytes: 5 } },
      /^option sqlite\.maxBytes is 5; it must be a number from 104/,
    ],
    [
      "StoreExporter",
      { sqlite: { file: "a", maxAgeMs: 0 } },
      /^option sqlite\.maxAgeMs is 0; it must be a number from 1$/,
    ],
    ["ConsoleExporter", { write: process.stdout }, /^option write is an object; it must be a function$/],
    ["ConsoleExporter", { width: Number.NaN }, /^option width is NaN; it must be a number from 1$/],
    ["ConsoleExporter", { color: "always" }, /^option color is "always"; it must be true or false$/],
    ["ConsoleExporter", { maxTraces: -1 }, /^option maxTraces is -1; it must be a whole number from 0$/],
    ["ConsoleExporter", { maxSpans: "all" }, /^option maxSpans is "all"; it must be a whole number from 1$/],
  ];
  for (const [name, options, message] of cases) refused(name, options, message);
});

test("what is undefined is not given, and what means something is taken", async () => {
  const env = {};
  new ConsoleExporter({ color: undefined, maxTraces: 0 } as object);
  new FileExporter({ path: "-", keptFiles: 0, maxBytes: 1 });
  new StoreExporter({ sqlite: { file: "traces.db", maxAgeMs: Number.POSITIVE_INFINITY } });
  await new OtlpExporter({
    env,
    retry: { limitMs: 0 },
    tls: { ca: Buffer.from("") },
    endpoint: undefined,
  } as object).shutdown();
  await new ZipkinExporter({ env, headers: {} }).shutdown();
});
