import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { current } from "@clew/context";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import { createQuery } from "../../context/test/query-builder.ts";
import { keepSpans } from "../test/keep-spans.ts";
import { findAttribute } from "./attributes.ts";
import { TracerProvider } from "./tracer-provider.ts";
import { withSpan } from "./with-span.ts";

const processor = keepSpans();
const tracer = new TracerProvider({ processor }).getTracer("test");
const { spans } = processor;

test("a function's result comes back, and its span has ended by then", () => {
  spans.length = 0;
  const result = withSpan("sync", { tracer, attributes: { a: 1 } }, (span) => {
    assert.equal(trace.getSpan(current()), span);
    assert.equal(spans.length, 0);
    return 7;
  });
  assert.equal(result, 7);
  assert.equal(spans[0]!.name, "sync");
  assert.deepEqual(spans[0]!.attributes, ["a", 1]);
});

test("an async function's span ends when its promise settles, and children hang under it", async () => {
  spans.length = 0;
  const promise = withSpan("outer", { tracer }, async () => {
    await sleep(1);
    return withSpan("inner", { tracer }, () => "done");
  });
  assert.equal(spans.length, 0);
  assert.equal(await promise, "done");
  assert.deepEqual(
    spans.map((span) => [span.name, span.parentSpanId]),
    [
      ["inner", spans[1]!.spanId],
      ["outer", ""],
    ],
  );
});

test("what is thrown is recorded, marks the span as failed and is thrown on", async () => {
  spans.length = 0;
  const error = new TypeError("broken");
  const fail = (): never => {
    throw error;
  };
  assert.throws(() => withSpan("sync", { tracer }, fail), error);
  await assert.rejects(
    withSpan("async", { tracer }, async () => fail()),
    error,
  );
  for (const span of spans) {
    assert.equal(span.statusCode, SpanStatusCode.ERROR);
    assert.equal(span.statusMessage, "broken");
    assert.equal(findAttribute(span.events[0]!.attributes, "exception.type"), "TypeError");
  }
  assert.equal(spans.length, 2);
});

test("anything can be thrown", () => {
  const { proxy: unreadable, revoke } = Proxy.revocable({}, {});
  revoke();
  const silent = Object.defineProperty(new Error(), "message", {
    get() {
      throw new Error("while it is read");
    },
  });
  for (const thrown of [undefined, null, 0, "text", Symbol("s"), Object.create(null), unreadable, silent]) {
    spans.length = 0;
    const seen: unknown[] = [];
    try {
      withSpan("work", { tracer }, () => {
        throw thrown;
      });
    } catch (error) {
      seen.push(error);
    }
    assert.equal(seen.length, 1);
    assert.ok(Object.is(seen[0], thrown));
    assert.equal(spans[0]!.statusCode, SpanStatusCode.ERROR);
  }
});

test("a thing that does its work when it is awaited does it inside the span", async () => {
  spans.length = 0;
  const query = createQuery<number>((resolve) => withSpan("query", { tracer }, () => resolve(3)));
  assert.equal(await withSpan("outer", { tracer }, () => query), 3);
  assert.equal(spans[0]!.name, "query");
  assert.equal(spans[0]!.parentSpanId, spans[1]!.spanId);
});

test("without a provider it is a plain call", () => {
  assert.equal(
    withSpan("work", (span) => span.isRecording()),
    false,
  );
});
