import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchProcessor, createResource, TracerProvider } from "@clew/trace";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { ConsoleExporter, type ConsoleExporterOptions, hasColors } from "./console.ts";

function setUp(options: ConsoleExporterOptions = {}) {
  const printed: string[] = [];
  const exporter = new ConsoleExporter({ write: (text) => printed.push(text), width: 80, color: false, ...options });
  const processor = new BatchProcessor(exporter);
  const provider = new TracerProvider({ processor, resource: createResource({ service: "user", env: {} }) });
  return { printed, provider, tracer: provider.getTracer("test") };
}

test("a trace is printed once its root has ended, however its spans came", async () => {
  const { printed, provider, tracer } = setUp();
  const root = tracer.startSpan("root");
  tracer.startSpan("child", {}, trace.setSpan(ROOT_CONTEXT, root)).end();
  await provider.forceFlush();
  assert.equal(printed.length, 0);
  root.end();
  await provider.forceFlush();
  assert.equal(printed.length, 1);
  assert.match(printed[0]!, /^root {2}.*2 spans {2}1 service\nuser {2}root .*\nuser {2}└─ child .*\n\n$/);
});

test("a span under a remote parent is the root here", async () => {
  const { printed, provider, tracer } = setUp();
  const remote = {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: 1,
    isRemote: true,
  };
  tracer.startSpan("server", {}, trace.setSpanContext(ROOT_CONTEXT, remote)).end();
  await provider.forceFlush();
  assert.match(printed[0]!, /server/);
});

test("traces whose root never comes are bounded, and printed at the end", async () => {
  const { printed, provider, tracer } = setUp({ maxTraces: 2 });
  for (const name of ["a", "b", "c"]) {
    tracer.startSpan(`child of ${name}`, {}, trace.setSpan(ROOT_CONTEXT, tracer.startSpan(name))).end();
  }
  await provider.forceFlush();
  assert.equal(printed.length, 1);
  assert.match(printed[0]!, /child of a/);
  await provider.shutdown();
  assert.equal(printed.length, 3);
});

test("NO_COLOR wins over FORCE_COLOR", () => {
  assert.equal(hasColors({ NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(hasColors({ NO_COLOR: "", FORCE_COLOR: "1" }), true);
  assert.equal(hasColors({ FORCE_COLOR: "0" }), false);
});
