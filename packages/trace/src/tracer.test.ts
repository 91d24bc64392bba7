import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Context, current, run } from "@clew/context";
import { type Span, trace } from "@opentelemetry/api";
import { keepSpans } from "../test/keep-spans.ts";
import { TraceState } from "./otel/trace-state.ts";
import { emptyResource } from "./resource.ts";
import { alwaysOff, alwaysOn, parentBased, type Sampler } from "./sampler.ts";
import { resolveSpanLimits } from "./span-limits.ts";
import { suppressTracing } from "./suppress-tracing.ts";
import { createCounters } from "./trace-counters.ts";
import { Tracer } from "./tracer.ts";

const scope = { name: "test", version: "", schemaUrl: "" };
const traceId = "0af7651916cd43dd8448eb211c80319c";
const remote = { traceId, spanId: "b7ad6b7169203331", traceFlags: 1, isRemote: true };

function setUp(sampler: Sampler = parentBased()): { tracer: Tracer; processor: ReturnType<typeof keepSpans> } {
  const processor = keepSpans();
  return {
    processor,
    tracer: new Tracer(
      {
        scope,
        resource: emptyResource,
        limits: resolveSpanLimits(),
        processor,
        counters: createCounters(),
        ids: undefined,
      },
      sampler,
    ),
  };
}

/** A context inside of this span. */
function within(span: Span): Context {
  return trace.setSpan(Context.root, span) as unknown as Context;
}

test("a span without a parent begins a trace with a random id", () => {
  const { tracer, processor } = setUp();
  tracer.startSpan("one").end();
  tracer.startSpan("two").end();
  const [one, two] = processor.spans;
  assert.notEqual(one!.traceId, two!.traceId);
  assert.equal(one!.traceFlags, 0b11, "sampled, and random");
  assert.equal(processor.started, 2);
});

test("the parent comes from the running work, or from the context that is given, or not at all", () => {
  const { tracer, processor } = setUp();
  const parent = tracer.startSpan("parent");
  const other = tracer.startSpan("other");
  run(within(parent), () => {
    tracer.startSpan("of the running work").end();
    tracer.startSpan("of the given context", {}, within(other)).end();
    tracer.startSpan("root", { root: true }).end();
  });
  const [running, given, root] = processor.spans;
  assert.deepEqual(
    [running!.traceId, running!.parentSpanId],
    [parent.spanContext().traceId, parent.spanContext().spanId],
  );
  assert.deepEqual([given!.traceId, given!.parentSpanId], [other.spanContext().traceId, other.spanContext().spanId]);
  assert.equal(root!.parentSpanId, "");
  assert.notEqual(root!.traceId, parent.spanContext().traceId);
});

test("a remote parent gives its trace id, its state, and is known to be remote", () => {
  const { tracer, processor } = setUp();
  const traceState = TraceState.parse("a=1,b=2")!;
  const span = tracer.startSpan("server", {}, within(trace.wrapSpanContext({ ...remote, traceState })));
  tracer.startSpan("child", {}, within(span)).end();
  span.end();
  const [child, server] = processor.spans;
  assert.equal(server!.traceId, traceId);
  assert.equal(server!.parentSpanId, remote.spanId);
  assert.equal(server!.isParentRemote, true);
  assert.equal(server!.traceState, "a=1,b=2");
  assert.equal(server!.traceFlags, 1, "the caller did not say that its id is random");
  assert.equal(child!.isParentRemote, false);
  assert.equal(child!.traceState, "a=1,b=2");
});

test("an invalid parent is none", () => {
  const { tracer, processor } = setUp();
  tracer.startSpan("work", {}, within(trace.wrapSpanContext({ ...remote, traceId: "0".repeat(32) }))).end();
  assert.equal(processor.spans[0]!.parentSpanId, "");
  assert.notEqual(processor.spans[0]!.traceId, "0".repeat(32));
});

test("an unsampled trace records nothing, and carries on that it is unsampled", () => {
  const { tracer, processor } = setUp(alwaysOff);
  const root = tracer.startSpan("root", { attributes: { a: 1 } });
  assert.equal(root.isRecording(), false);
  assert.ok(trace.isSpanContextValid(root.spanContext()));
  assert.equal(root.spanContext().traceFlags & 1, 0);
  assert.equal(tracer.startSpan("child", {}, within(root)), root, "one object for the whole of it");
  root.setAttribute("a", 1).setAttributes({}).addEvent("e").addLink({ context: remote }).addLinks([]).updateName("n");
  root.setStatus({ code: 2 }).recordException("e");
  root.end();
  assert.equal(processor.spans.length, 0);
  assert.equal(processor.started, 0);
});

test("what nobody records draws its ids when they are asked for, unless the sampler needs them", () => {
  const { tracer, processor } = setUp(parentBased(alwaysOff));
  const root = tracer.startSpan("root", { root: true });
  const { traceId: drawn, spanId, traceFlags } = tracer.startSpan("child", {}, within(root)).spanContext();
  assert.match(drawn, /^(?!0+$)[\da-f]{32}$/);
  assert.match(spanId, /^(?!0+$)[\da-f]{16}$/);
  assert.equal(traceFlags, 2, "not sampled; the trace id is random");
  assert.deepEqual(
    root.spanContext(),
    { traceId: drawn, spanId, traceFlags },
    "the child is in the trace of its parent",
  );
  assert.equal(root.spanContext(), root.spanContext());
  assert.notEqual(tracer.startSpan("other", { root: true }).spanContext().traceId, drawn);

  const given: string[] = [];
  const asking: Sampler = {
    shouldSample(_parent, id) {
      given.push(id);
      return false;
    },
    toString: () => "asking",
  };
  const begun = setUp(asking).tracer.startSpan("root", { root: true });
  assert.deepEqual(given, [begun.spanContext().traceId], "the sampler decided for the trace that it became");
  assert.equal(processor.spans.length, 0);
});

test("an unsampled caller's span serves in our place", () => {
  const { tracer } = setUp();
  const parent = trace.wrapSpanContext({ ...remote, traceFlags: 0 });
  assert.equal(tracer.startSpan("server", {}, within(parent)), parent);
});

test("a sampler may leave out a child of a recorded span; the trace goes on unsampled below", () => {
  const { tracer, processor } = setUp({
    shouldSample: (_parent, _id, name) => name !== "noise",
    toString: () => "no noise",
  });
  const parent = tracer.startSpan("parent");
  const noise = tracer.startSpan("noise", {}, within(parent));
  assert.equal(noise.isRecording(), false);
  assert.equal(noise.spanContext().traceId, parent.spanContext().traceId);
  assert.equal(
    noise.spanContext().spanId,
    parent.spanContext().spanId,
    "what comes below hangs under what is recorded",
  );
  assert.equal(noise.spanContext().traceFlags & 1, 0);
  noise.end();
  parent.end();
  assert.deepEqual(
    processor.spans.map((span) => span.name),
    ["parent"],
  );
});

test("a sampler sees what the span starts with, and one that throws records nothing", () => {
  const seen: unknown[] = [];
  const { tracer } = setUp({
    shouldSample(...given) {
      seen.push(...given);
      throw new Error("broken");
    },
    toString: () => "broken",
  });
  assert.equal(tracer.startSpan("name", { kind: 1, attributes: { a: 1 } }, Context.root).isRecording(), false);
  assert.deepEqual([seen[0], ...seen.slice(2)], [undefined, "name", 1, { a: 1 }]);
});

test("nothing is recorded where tracing is suppressed", () => {
  const { tracer, processor } = setUp(alwaysOn);
  run(suppressTracing(Context.root) as unknown as Context, () => tracer.startSpan("export").end());
  assert.equal(processor.spans.length, 0);
});

test("an active span is current for all the work that the function starts, and only there", async () => {
  const { tracer, processor } = setUp();
  const result = await tracer.startActiveSpan("outer", async (span) => {
    assert.equal(trace.getSpan(current()), span);
    await Promise.all(
      ["a", "b"].map(async (name) => {
        await sleep(1);
        tracer.startActiveSpan(name, (inner) => inner.end());
      }),
    );
    span.end();
    return 7;
  });
  assert.equal(result, 7);
  assert.equal(trace.getSpan(current()), undefined);
  const [a, b, outer] = processor.spans;
  assert.equal(a!.parentSpanId, outer!.spanId);
  assert.equal(b!.parentSpanId, outer!.spanId);
});

test("an active span takes options and a context too", () => {
  const { tracer, processor } = setUp();
  tracer.startActiveSpan("one", { kind: 2 }, (span) => span.end());
  tracer.startActiveSpan("two", { kind: 3 }, within(trace.wrapSpanContext(remote)), (span) => span.end());
  assert.deepEqual(
    processor.spans.map((span) => [span.name, span.kind, span.parentSpanId]),
    [
      ["one", 2, ""],
      ["two", 3, remote.spanId],
    ],
  );
});
