// What a developer gets wrong is told when a provider is made, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchProcessor,
  Doctor,
  type SpanExporter,
  TailProcessor,
  TracerProvider,
  type TracerProviderOptions,
  traceIdRatio,
} from "@clew/trace";

const code = "CLEW_TRACE_OPTION";

test("options of a provider that are wrong", () => {
  const cases: [unknown, RegExp][] = [
    ["user", /^option options of TracerProvider is "user"; it must be an object with some of resource, /],
    [{ procesor: {} }, /^TracerProvider has no option procesor; there are resource, sampler, processor, /],
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
    [{ limits: { attribute: 5 } }, /^limits has no option attribute; there are attributes, /],
    [{ limits: 5 }, /^option options of limits is 5; it must be an object/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new TracerProvider(options as TracerProviderOptions), { code, message }, String(message));
  }
});

test("options of processors that there are not", () => {
  const exporter: SpanExporter = {
    export: async () => "exported",
    shutdown: async () => {},
  } as unknown as SpanExporter;
  assert.throws(() => new BatchProcessor(exporter, { size: 5 } as object), { code, message: /^BatchProcessor has no/ });
  const batch = new BatchProcessor(exporter, { env: {} });
  assert.throws(() => new TailProcessor(batch, { slow: 5 } as object), {
    code,
    message: /^TailProcessor has no option/,
  });
  assert.throws(() => new Doctor({ leak: 5 } as object), {
    code,
    message: /^Doctor has no option leak; there are leakMs/,
  });
});
