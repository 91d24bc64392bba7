import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { createRequire, registerHooks } from "node:module";
import { after, before, beforeEach, describe, it, test } from "node:test";
import { findAttribute, type SpanData, TracerProvider, withSpan } from "@clew/trace";
import { OpenCensusTracer } from "@clew/trace/opencensus";
import { OpenTracingTracer } from "@clew/trace/opentracing";
import { trace } from "@opentelemetry/api";
import * as opentracing from "opentracing";
import { keepSpans } from "./keep-spans.ts";

const processor = keepSpans();
const provider = new TracerProvider({ processor, env: {} });
// Before the provider is registered, as libraries do it.
const tracer = new OpenTracingTracer();
const census = new OpenCensusTracer();
before(() => provider.register());
after(() => provider.shutdown());
beforeEach(() => {
  processor.spans.length = 0;
});

// The package's own checks of an implementation. They are written for mocha and chai, of which they need this much.
const chai = `
  const assert = require("node:assert");
  exports.assert = assert;
  exports.expect = (given) => ({
    to: { not: { throw: () => assert.doesNotThrow(given) }, be: { a: (type) => assert.equal(typeof given, type) } },
  });
`;
const hooks = registerHooks({
  resolve: (name, context, next) =>
    name === "chai" ? { url: "clew-test:chai", format: "commonjs", shortCircuit: true } : next(name, context),
  load: (url, context, next) =>
    url === "clew-test:chai" ? { format: "commonjs", source: chai, shortCircuit: true } : next(url, context),
});
type Checks = { default(createTracer: () => unknown): void };
Object.assign(globalThis, { describe, it, beforeEach });
const checks = createRequire(import.meta.url)("opentracing/lib/test/api_compatibility") as Checks;
checks.default(() => new OpenTracingTracer());
hooks.deregister();

function theOnly(name: string): SpanData {
  const found = processor.spans.filter((span) => span.name === name);
  assert.equal(found.length, 1);
  return found[0]!;
}

test("code that speaks OpenTracing joins the trace around it", () => {
  opentracing.initGlobalTracer(tracer as unknown as opentracing.Tracer);
  withSpan("ours", () => {
    const parent = opentracing.globalTracer().startSpan("parent", { tags: { "span.kind": "client", "db.rows": 3 } });
    const child = opentracing.globalTracer().startSpan("child", { childOf: parent, startTime: 1_800_000_000_000 });
    child.log({ event: "cache miss", key: "k" }, 1_800_000_000_001);
    child.log({ event: "error", "error.object": new Error("broken") });
    child.setTag("error", true);
    child.setOperationName("renamed").finish(1_800_000_000_005);
    parent.finish();
  });
  const [ours, parent, child] = [theOnly("ours"), theOnly("parent"), theOnly("renamed")];
  assert.deepEqual([parent.parentSpanId, child.parentSpanId], [ours.spanId, parent.spanId]);
  assert.deepEqual([parent.kind, findAttribute(parent.attributes, "db.rows")], [2, 3]);
  assert.equal(findAttribute(parent.attributes, "span.kind"), undefined);
  assert.deepEqual([child.statusCode, child.endUs - child.startUs], [2, 5000]);
  assert.deepEqual(
    child.events.map((event) => event.name),
    ["cache miss", "exception"],
  );
  assert.deepEqual(child.events[0]!.attributes, ["key", "k"]);
});

test("further references become links", () => {
  const [one, two] = [tracer.startSpan("one"), tracer.startSpan("two")];
  const references = [opentracing.followsFrom(one as never), opentracing.childOf(two as never)];
  tracer.startSpan("three", { references }).finish();
  two.finish();
  const three = theOnly("three");
  assert.equal(three.parentSpanId, theOnly("two").spanId);
  assert.deepEqual([three.links.length, three.links[0]!.spanId], [1, one.context().toSpanId()]);
  assert.deepEqual(three.links[0]!.attributes, ["opentracing.ref_type", "follows_from"]);
});

test("a context and its baggage cross a wire as text, and a context as bytes", () => {
  const span = tracer.startSpan("client").setBaggageItem("tenant", "acme");
  for (const format of [opentracing.FORMAT_HTTP_HEADERS, opentracing.FORMAT_TEXT_MAP, opentracing.FORMAT_BINARY]) {
    const carrier: Record<string, unknown> = {};
    tracer.inject(span, format, carrier);
    const context = tracer.extract(format, carrier)!;
    assert.equal(context.toSpanId(), span.context().toSpanId());
    const server = tracer.startSpan("server", { childOf: context });
    assert.equal(server.getBaggageItem("tenant"), format === "binary" ? undefined : "acme");
    server.finish();
  }
  assert.equal(
    processor.spans.every((server) => server.isParentRemote && server.parentSpanId === span.context().toSpanId()),
    true,
  );
  for (const carrier of [{}, { traceparent: 7 }, { buffer: "x" }, { buffer: [1, 2] }, null, 7]) {
    assert.equal(tracer.extract("text_map", carrier), null);
    assert.equal(tracer.extract("binary", carrier), null);
  }
});

test("code that speaks OpenCensus joins the trace, and ours joins its", () => {
  const remote = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", options: 1 };
  const emitter = new EventEmitter();
  census.startRootSpan({ name: "root", kind: 1, spanContext: remote }, (root) => {
    assert.equal(census.currentRootSpan?.id, root.id);
    census.wrapEmitter(emitter);
    emitter.on("event", () => withSpan("in a listener", () => {}));
    const child = root.startChildSpan({ name: "child", kind: 2 });
    child.addAttribute("rows", 3);
    child.addAnnotation("cache miss", { key: "k" });
    child.addMessageEvent(2, "1", undefined, 10);
    child.addLink(remote.traceId, remote.spanId, 1);
    child.setStatus(5, "not found");
    child.end();
    withSpan("ours", () => {});
    root.end();
  });
  emitter.emit("event");
  const [root, child] = [theOnly("root"), theOnly("child")];
  assert.deepEqual([root.traceId, root.parentSpanId, root.kind], [remote.traceId, remote.spanId, 1]);
  assert.deepEqual(
    [child.parentSpanId, child.kind, child.statusCode, child.statusMessage],
    [root.spanId, 2, 2, "not found"],
  );
  assert.deepEqual(
    child.events.map((event) => [event.name, event.attributes]),
    [
      ["cache miss", ["key", "k"]],
      ["message", ["message.type", "RECEIVED", "message.id", "1", "message.uncompressed_size", 10]],
    ],
  );
  assert.equal(child.links[0]!.spanId, remote.spanId);
  assert.deepEqual([theOnly("ours").parentSpanId, theOnly("in a listener").parentSpanId], [root.spanId, root.spanId]);
  assert.equal(census.currentRootSpan, null);
  assert.equal(trace.getActiveSpan(), undefined);
});
