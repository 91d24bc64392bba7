// What a developer gets wrong is told when a provider is made, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BatchOptions,
  BatchProcessor,
  Doctor,
  type DoctorOptions,
  type SpanExporter,
  type TailOptions,
  TailProcessor,
  TracerProvider,
  type TracerProviderOptions,
  traceIdRatio,
} from "@clew/trace";
import { DynamicSampler, type SegmentExporter, SegmentProcessor, SkyWalkingPropagator } from "@clew/trace/skywalking";

const code = "CLEW_TRACE_OPTION";

test("options of a provider that are wrong", () => {
  const cases: [unknown, RegExp][] = [
    ["user", /^the options of TracerProvider are "user"; they must be an object with any of resource, /],
    [{ procesor: {} }, /^TracerProvider has no option procesor; its options are resource, sampler, processor, /],
    [
      { sampler: "half" },
      /^option sampler is "half"; it must be a sampler such as traceIdRatio\(0\.1\), which has shouldSample\(\)$/,
    ],
    [{ sampler: traceIdRatio }, /^option sampler is a function; it must be a sampler/],
    [{ sampler: 0.5 }, /^option sampler is 0\.5; it must be a sampler/],
    [
      { processor: {} },
      /^option processor is an object; .* which has onStart\(\), onEnd\(\), forceFlush\(\), shutdown\(\)$/,
    ],
    [{ ids: "xray" }, /^option ids is "xray"; it must be a source of ids/],
    [{ propagator: "b3" }, /^option propagator is "b3"; it must be a propagator/],
    [{ rootContext: {} }, /^option rootContext is an object; it must be a context/],
    [{ isDisabled: "true" }, /^option isDisabled is "true"; it must be true or false$/],
    [{ limits: { attribute: 5 } }, /^limits has no option attribute; its options are attributes, /],
    [{ resource: "user" }, /^option resource is "user"; it must be a resource, as createResource\(\) makes one$/],
    [{ env: "production" }, /^option env is "production"; it must be an object$/],
    [{ limits: 5 }, /^the options of limits are 5; they must be an object/],
    [
      { limits: { attributes: "many" } },
      /^option limits\.attributes is "many"; it must be a whole number from 0, or Inf/,
    ],
    [
      { limits: { valueLength: Number.NaN } },
      /^option limits\.valueLength is NaN; it must be a whole number from 0, or/,
    ],
    [{ limits: { events: -1 } }, /^option limits\.events is -1; it must be a whole number from 0/],
    [{ limits: { links: 1.5 } }, /^option limits\.links is 1\.5; it must be a whole number from 0/],
    [{ limits: { spans: 0 } }, /^option limits\.spans is 0; it must be a whole number from 1/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new TracerProvider(options as TracerProviderOptions), { code, message }, String(message));
  }
});

const exporter: SpanExporter = { export: async () => ({ outcome: "exported" }), shutdown: async () => {} };

test("options of processors that there are not", () => {
  assert.throws(() => new BatchProcessor(exporter, { size: 5 } as object), { code, message: /^BatchProcessor has no/ });
  const batch = new BatchProcessor(exporter, { env: {} });
  assert.throws(() => new TailProcessor(batch, { slow: 5 } as object), {
    code,
    message: /^TailProcessor has no option/,
  });
  assert.throws(() => new Doctor({ leak: 5 } as object), {
    code,
    message: /^Doctor has no option leak; its options are leakMs/,
  });
});

test("values of a BatchProcessor's options that will not do", () => {
  const cases: [unknown, RegExp][] = [
    ["fast", /^the options of BatchProcessor are "fast"; they must be an object with any of capacity, /],
    [{ capacity: "8192" }, /^option capacity is "8192"; it must be a whole number from 1 to 16777216$/],
    [{ capacity: 0 }, /^option capacity is 0; it must be a whole number from 1/],
    [{ capacity: Number.POSITIVE_INFINITY }, /^option capacity is Infinity; it must be a whole number/],
    [{ capacity: 2 ** 32 }, /^option capacity is 4294967296; it must be a whole number from 1 to 16777216$/],
    [{ batchSize: 0 }, /^option batchSize is 0; it must be a whole number from 1$/],
    [{ batchSize: 1.5 }, /^option batchSize is 1\.5; it must be a whole number from 1$/],
    [{ delayMs: "1s" }, /^option delayMs is "1s"; it must be a number of milliseconds from 1 to 2147483647$/],
    [{ delayMs: 0 }, /^option delayMs is 0; it must be a number of milliseconds from 1/],
    [{ delayMs: Number.NaN }, /^option delayMs is NaN; it must be a number of milliseconds/],
    [{ exportTimeoutMs: Number.POSITIVE_INFINITY }, /^option exportTimeoutMs is Infinity; it must be a number of mill/],
    [{ exportTimeoutMs: -1 }, /^option exportTimeoutMs is -1; it must be a number of milliseconds from 1/],
    [{ shutdownTimeoutMs: -1 }, /^option shutdownTimeoutMs is -1; it must be a number of milliseconds from 0/],
    [{ shutdownTimeoutMs: 2 ** 31 }, /^option shutdownTimeoutMs is 2147483648; it must be/],
    [{ slowMs: Number.NaN }, /^option slowMs is NaN; it must be a number from 0$/],
    [{ env: 5 }, /^option env is 5; it must be an object$/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new BatchProcessor(exporter, options as BatchOptions), { code, message }, String(message));
  }
  for (const wrong of [undefined, {}, "otlp"]) {
    assert.throws(() => new BatchProcessor(wrong as SpanExporter), {
      code,
      message: /^option exporter is .*; it must be an exporter, which has export\(\), shutdown\(\)$/,
    });
  }
});

test("values of a TailProcessor's options that will not do", () => {
  const batch = new BatchProcessor(exporter, { env: {} });
  const cases: [unknown, RegExp][] = [
    [5, /^the options of TailProcessor are 5; they must be an object with any of slowMs, /],
    [{ slowMs: "1s" }, /^option slowMs is "1s"; it must be a number from 0$/],
    [{ slowMs: Number.NaN }, /^option slowMs is NaN; it must be a number from 0$/],
    [{ slowMsByName: 500 }, /^option slowMsByName is 500; it must be an object of milliseconds, such as/],
    [{ slowMsByName: { "GET /a": "5" } }, /^option slowMsByName\["GET \/a"\] is "5"; it must be a number from 0$/],
    [{ errors: "yes" }, /^option errors is "yes"; it must be true or false$/],
    [{ rarePerMinute: -1 }, /^option rarePerMinute is -1; it must be a number from 0$/],
    [{ maxTraces: 0 }, /^option maxTraces is 0; it must be a whole number from 1$/],
    [{ maxSpans: 0.5 }, /^option maxSpans is 0\.5; it must be a whole number from 1$/],
    [{ maxBytes: "16MB" }, /^option maxBytes is "16MB"; it must be a whole number from 1$/],
    [{ maxHoldMs: Number.NaN }, /^option maxHoldMs is NaN; it must be a number from 1$/],
    [{ now: Date.now() }, /^option now is \d+; it must be a function$/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new TailProcessor(batch, options as TailOptions), { code, message }, String(message));
  }
  assert.throws(() => new TailProcessor(exporter as never), { code, message: /^option next is an object; it must be/ });
});

test("values of a Doctor's options that will not do", () => {
  const cases: [unknown, RegExp][] = [
    ["yes", /^the options of Doctor are "yes"; they must be an object with any of leakMs, /],
    [{ leakMs: "1m" }, /^option leakMs is "1m"; it must be a number from 0$/],
    [{ maxSpans: Number.NaN }, /^option maxSpans is NaN; it must be a whole number from 1$/],
    [{ stacks: 5 }, /^option stacks is 5; it must be a number from 0 to 1$/],
    [{ stacks: true }, /^option stacks is true; it must be a number from 0 to 1$/],
    [{ exporters: { otlp: {} } }, /^option exporters\["otlp"\] is an object; it must be a function$/],
    [{ provider: {} }, /^option provider is an object; it must be a function$/],
    [{ now: 5 }, /^option now is 5; it must be a function$/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new Doctor(options as DoctorOptions), { code, message }, String(message));
  }
});

test("values of SkyWalking's options that will not do", () => {
  const sends: SegmentExporter = { export: async () => ({ outcome: "exported" }), shutdown: async () => {} };
  const cases: [(options: never) => unknown, unknown, RegExp][] = [
    [
      (given) => new SegmentProcessor(sends, given),
      { maxSpan: 5 },
      /^SegmentProcessor has no option maxSpan; its options are/,
    ],
    [
      (given) => new SegmentProcessor(sends, given),
      { ids: "long" },
      /^option ids is "long"; it must be "plain", "go" or "java"$/,
    ],
    [
      (given) => new SegmentProcessor(sends, given),
      { capacity: 0 },
      /^option capacity is 0; it must be a whole number/,
    ],
    [
      (given) => new SegmentProcessor(sends, given),
      { lateTimeoutMs: "5s" },
      /^option lateTimeoutMs is "5s"; it must be/,
    ],
    [
      (given) => new SegmentProcessor(sends, given),
      { autoTagKeys: "user" },
      /^option autoTagKeys is "user"; .* a list/,
    ],
    [(given) => new SegmentProcessor(sends, given), { service: 5 }, /^option service is 5; it must be a string$/],
    [
      (given) => new SkyWalkingPropagator(given),
      { maxKeys: 5 },
      /^SkyWalkingPropagator has no option maxKeys; its options/,
    ],
    [
      (given) => new SkyWalkingPropagator(given),
      { maxCorrelationKeys: -1 },
      /^option maxCorrelationKeys is -1; it must/,
    ],
    [(given) => new DynamicSampler(given), { rate: 10 }, /^option rate is 10; it must be a number from 0 to 1$/],
    [
      (given) => new DynamicSampler(given),
      { per3Seconds: -2 },
      /^option per3Seconds is -2; it must be a whole number from -1$/,
    ],
    [(given) => new DynamicSampler(given), { ignorePaths: "/health" }, /^option ignorePaths is "\/health"; .* a list/],
    [
      (given) => new DynamicSampler(given),
      { ignoreSuffixes: [5] },
      /^option ignoreSuffixes\[0\] is 5; it must be a string$/,
    ],
  ];
  for (const [make, options, message] of cases) {
    assert.throws(() => make(options as never), { code, message }, String(message));
  }
});

test("what is undefined is not given, and what means something is taken", async () => {
  const batch = new BatchProcessor(exporter, {
    capacity: undefined,
    slowMs: Number.POSITIVE_INFINITY,
    env: {},
  } as object);
  new TailProcessor(batch, { slowMsByName: { "GET /report": Number.POSITIVE_INFINITY }, slowMs: 0 });
  new Doctor({ leakMs: 0, stacks: 1 });
  new TracerProvider({ limits: { valueLength: Number.POSITIVE_INFINITY, events: 0 }, env: {} });
  await batch.shutdown();
});
