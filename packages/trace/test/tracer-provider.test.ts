import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { current } from "@clew/context";
import { createResource, TracerProvider, withSpan } from "@clew/trace";
import { context, diag, propagation, trace } from "@opentelemetry/api";
import { keepSpans } from "./keep-spans.ts";

const providers: TracerProvider[] = [];
afterEach(async () => {
  for (const provider of providers.splice(0)) await provider.shutdown();
});

function register(processor = keepSpans()): { processor: ReturnType<typeof keepSpans>; provider: TracerProvider } {
  const provider = new TracerProvider({ processor, resource: createResource({ service: "test", env: {} }) }).register();
  providers.push(provider);
  return { processor, provider };
}

test("a tracer is one for the same name and version, and says who it is", () => {
  const processor = keepSpans();
  const provider = new TracerProvider({ processor });
  const tracer = provider.getTracer("lib", "1.0");
  assert.equal(provider.getTracer("lib", "1.0"), tracer);
  assert.notEqual(provider.getTracer("lib"), tracer);
  assert.notEqual(provider.getTracer("lib", "1.0", { schemaUrl: "https://example.test" }), tracer);
  tracer.startSpan("work").end();
  assert.deepEqual(processor.spans[0]!.scope, { name: "lib", version: "1.0", schemaUrl: "" });
  assert.equal(processor.spans[0]!.resource, provider.resource);
});

test("a library that knows only the OpenTelemetry API joins the trace of the framework", async () => {
  const tracer = trace.getTracer("library", "2");
  assert.equal(tracer.startSpan("before").isRecording(), false);
  const { processor } = register();
  await withSpan("ours", async (ours) => {
    await sleep(1);
    assert.equal(trace.getActiveSpan(), ours);
    await tracer.startActiveSpan("theirs", async (theirs) => {
      await sleep(1);
      assert.equal(trace.getSpan(current()), theirs);
      withSpan("ours again", () => {});
      theirs.end();
    });
  });
  const [inner, theirs, ours] = processor.spans;
  assert.deepEqual([inner!.name, inner!.parentSpanId], ["ours again", theirs!.spanId]);
  assert.deepEqual([theirs!.name, theirs!.parentSpanId, theirs!.scope.name], ["theirs", ours!.spanId, "library"]);
});

test("context and baggage cross a process through the registered propagator", () => {
  register();
  const headers: Record<string, string> = {};
  const baggage = propagation.createBaggage({ user: { value: "ann" } });
  let sentFrom = "";
  withSpan("client", (span) => {
    sentFrom = span.spanContext().spanId;
    propagation.inject(propagation.setBaggage(context.active(), baggage), headers);
  });
  const received = propagation.extract(context.active(), headers);
  assert.equal(trace.getSpanContext(received)?.spanId, sentFrom);
  assert.equal(trace.getSpanContext(received)?.isRemote, true);
  context.with(received, () => {
    assert.equal(propagation.getActiveBaggage()?.getEntry("user")?.value, "ann");
  });
});

test("a second registration is refused, and the first goes on", (t) => {
  const errors = t.mock.fn();
  diag.setLogger({ error: errors, warn() {}, info() {}, debug() {}, verbose() {} });
  t.after(() => diag.disable());
  const { processor, provider } = register();
  assert.throws(() => new TracerProvider().register(), { code: "CLEW_TRACE_REGISTERED", message: /tracer provider/ });
  assert.equal(provider.register(), provider);
  withSpan("work", () => {});
  assert.equal(processor.spans.length, 1);
});

test("what was registered before by another stays, and ours takes back what it had registered", (t) => {
  t.after(() => propagation.disable());
  propagation.setGlobalPropagator({ inject() {}, extract: (given) => given, fields: () => ["theirs"] });
  assert.throws(() => new TracerProvider().register(), { message: /propagator/ });
  assert.deepEqual(propagation.fields(), ["theirs"]);
  propagation.disable();
  register();
  assert.deepEqual(propagation.fields(), ["traceparent", "tracestate", "baggage"]);
});

test("after a shutdown nothing is recorded, and another provider may register", async () => {
  const first = register();
  await first.provider.shutdown();
  withSpan("late", (span) => assert.equal(span.isRecording(), false));
  const second = register();
  withSpan("work", () => {});
  assert.equal(first.processor.spans.length, 0);
  assert.equal(first.provider.getTracer("late").startSpan("late").isRecording(), false);
  assert.equal(second.processor.spans.length, 1);
});

test("without a processor contexts still cross the wire", () => {
  const provider = new TracerProvider();
  const span = provider.getTracer("test").startSpan("work");
  assert.equal(trace.isSpanContextValid(span.spanContext()), true);
  span.end();
});
