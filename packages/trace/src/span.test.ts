import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { keepSpans } from "../test/keep-spans.ts";
import { findAttribute } from "./attributes.ts";
import { emptyResource } from "./resource.ts";
import { alwaysOn } from "./sampler.ts";
import { resolveSpanLimits, type SpanLimitsOptions } from "./span-limits.ts";
import type { SpanProcessor } from "./span-processor.ts";
import { createCounters } from "./trace-counters.ts";
import { Tracer } from "./tracer.ts";

const scope = { name: "test", version: "1", schemaUrl: "" };
const context = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };

function setUp(limits?: SpanLimitsOptions): { tracer: Tracer; spans: ReturnType<typeof keepSpans>["spans"] } {
  const processor = keepSpans();
  const maker = {
    scope,
    resource: emptyResource,
    limits: resolveSpanLimits(limits),
    processor,
    counters: createCounters(),
    ids: undefined,
  };
  return { tracer: new Tracer(maker, alwaysOn), spans: processor.spans };
}

test("a finished record holds everything the span was told", () => {
  const { tracer, spans } = setUp();
  const span = tracer.startSpan("work", { kind: SpanKind.SERVER, attributes: { a: 1 }, links: [{ context }] });
  span.setAttribute("b", "two").setAttributes({ c: true }).addEvent("seen", { d: 4 }).updateName("better");
  span.addLink({ context: { ...context, isRemote: true }, attributes: { e: 5 } });
  span.setStatus({ code: SpanStatusCode.ERROR, message: "broken" });
  span.end();
  const [data] = spans;
  assert.ok(data !== undefined);
  assert.equal(data.traceId, span.spanContext().traceId);
  assert.equal(data.spanId, span.spanContext().spanId);
  assert.equal(data.parentSpanId, "");
  assert.equal(data.name, "better");
  assert.equal(data.kind, SpanKind.SERVER);
  assert.deepEqual(data.attributes, ["a", 1, "b", "two", "c", true]);
  assert.equal(data.events.length, 1);
  assert.equal(data.events[0]!.name, "seen");
  assert.deepEqual(data.events[0]!.attributes, ["d", 4]);
  assert.ok(data.events[0]!.timeUs >= data.startUs && data.events[0]!.timeUs <= data.endUs);
  assert.deepEqual(
    data.links.map((link) => [link.spanId, link.isRemote, link.attributes]),
    [
      [context.spanId, false, []],
      [context.spanId, true, ["e", 5]],
    ],
  );
  assert.equal(data.statusCode, SpanStatusCode.ERROR);
  assert.equal(data.statusMessage, "broken");
  assert.equal(data.scope, scope);
  assert.ok(data.endUs >= data.startUs && Math.abs(data.endUs / 1000 - Date.now()) < 60_000);
});

test("after its end a span changes no more, and ends once", () => {
  const { tracer, spans } = setUp();
  const span = tracer.startSpan("work");
  assert.equal(span.isRecording(), true);
  span.end();
  assert.equal(span.isRecording(), false);
  const before = structuredClone(spans[0]);
  span.setAttribute("a", 1).setAttributes({ b: 2 }).addEvent("e").addLink({ context }).addLinks([{ context }]);
  span.setStatus({ code: SpanStatusCode.ERROR }).updateName("other").recordException(new Error("late"));
  span.end();
  assert.equal(spans.length, 1);
  assert.deepEqual(structuredClone(spans[0]), before);
  assert.equal(span.spanContext().spanId, spans[0]!.spanId);
});

test("OK beats ERROR beats UNSET, and only an error has a message", () => {
  const statusAfter = (...codes: SpanStatusCode[]): [number, string] => {
    const { tracer, spans } = setUp();
    const span = tracer.startSpan("work");
    for (const code of codes) span.setStatus({ code, message: "m" });
    span.end();
    return [spans[0]!.statusCode, spans[0]!.statusMessage];
  };
  const { UNSET, OK, ERROR } = SpanStatusCode;
  assert.deepEqual(statusAfter(), [UNSET, ""]);
  assert.deepEqual(statusAfter(ERROR), [ERROR, "m"]);
  assert.deepEqual(statusAfter(ERROR, UNSET), [ERROR, "m"]);
  assert.deepEqual(statusAfter(ERROR, OK), [OK, ""]);
  assert.deepEqual(statusAfter(OK, ERROR), [OK, ""]);
});

test("what is beyond the limits is dropped and counted", () => {
  const { tracer, spans } = setUp({ attributes: 2, events: 1, links: 1, valueLength: 4 });
  const span = tracer.startSpan("long name", { attributes: { a: "123456", b: 2, c: 3 } });
  span.addEvent("e1", { a: 1, b: 2, c: 3 }).addEvent("e2").addEvent("e3");
  span.addLinks([{ context, attributes: { a: 1, b: 2, c: 3 }, droppedAttributesCount: 2 }, { context }]);
  span.end();
  const data = spans[0]!;
  assert.equal(data.name, "long name", "the limit is one of values");
  assert.deepEqual(data.attributes, ["a", "1234", "b", 2]);
  assert.equal(data.droppedAttributes, 1);
  assert.equal(data.events.length, 1);
  assert.equal(data.events[0]!.droppedAttributes, 1);
  assert.equal(data.droppedEvents, 2);
  assert.equal(data.links.length, 1);
  assert.equal(data.links[0]!.droppedAttributes, 3);
  assert.equal(data.droppedLinks, 1);
});

test("an exception becomes an event with type, message and stack, and leaves the status alone", () => {
  const { tracer, spans } = setUp();
  const span = tracer.startSpan("work");
  const error = Object.assign(new TypeError("broken"), { code: "E_BROKEN" });
  span.recordException(error);
  span.recordException("just text");
  span.recordException(new TypeError("plain"), 1_800_000_000_000);
  span.recordException(null as never);
  span.end();
  const { events, statusCode } = spans[0]!;
  assert.equal(statusCode, SpanStatusCode.UNSET);
  assert.deepEqual(
    events.map(({ name, attributes }) => [
      name,
      findAttribute(attributes, "exception.type"),
      findAttribute(attributes, "exception.message"),
    ]),
    [
      ["exception", "E_BROKEN", "broken"],
      ["exception", undefined, "just text"],
      ["exception", "TypeError", "plain"],
      ["exception", undefined, undefined],
    ],
  );
  assert.equal(findAttribute(events[0]!.attributes, "exception.stacktrace"), error.stack);
  assert.equal(events[2]!.timeUs, 1_800_000_000_000_000);
});

test("times that the user gives are kept, and an end before the start is the start", () => {
  const { tracer, spans } = setUp();
  const start = new Date("2026-01-01T00:00:00Z");
  const span = tracer.startSpan("work", { startTime: start });
  span.addEvent("at", [1_767_225_601, 500_000_000]);
  span.addEvent("with both", { a: 1 }, new Date("2026-01-01T00:00:02Z"));
  span.end(new Date("2025-01-01T00:00:00Z"));
  const data = spans[0]!;
  assert.equal(data.startUs, start.getTime() * 1000);
  assert.deepEqual(
    data.events.map((event) => event.timeUs / 1000 - start.getTime()),
    [1500, 2000],
  );
  assert.equal(data.endUs, data.startUs);
});

test("nonsense is survived", () => {
  const { tracer, spans } = setUp();
  const span = tracer.startSpan(undefined as never, {
    startTime: Number.NaN,
    attributes: 5 as never,
    links: {} as never,
  });
  span.setAttribute(Symbol("k") as never, 1);
  span.setAttributes(null as never);
  span.addEvent(Object.create(null) as never, Number.NaN);
  span
    .addLink(null as never)
    .addLink({} as never)
    .addLinks(7 as never);
  span.setStatus(undefined as never);
  span.updateName(null as never);
  span.end("soon" as never);
  assert.equal(spans.length, 1);
  assert.ok(Math.abs(spans[0]!.endUs / 1000 - Date.now()) < 60_000);
});

test("a time of performance.now() is that moment, at the start and at the end; what is no time is now", () => {
  const { tracer, spans } = setUp();
  const [tick, nowUs] = [performance.now(), Date.now() * 1000];
  tracer.startSpan("work", { startTime: tick - 10 }).end(tick + 490);
  const data = spans[0]!;
  assert.ok(Math.abs(data.startUs - (nowUs - 10_000)) < 60_000_000);
  assert.ok(Math.abs(data.endUs - data.startUs - 500_000) < 1, `${data.endUs - data.startUs} us`);
  for (const odd of [-1, -1e15, -Infinity, Infinity]) {
    tracer.startSpan("work", { startTime: odd }).end(odd);
    const { startUs, endUs } = spans.at(-1)!;
    assert.ok(Math.abs(startUs - nowUs) < 60_000_000 && endUs >= startUs && endUs - startUs < 60_000_000, `${odd}`);
  }
});

test("a processor that throws does not reach the app", () => {
  const processor: SpanProcessor = {
    onStart: () => assert.fail("start"),
    onEnd: () => assert.fail("end"),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  const tracer = new Tracer(
    {
      scope,
      resource: emptyResource,
      limits: resolveSpanLimits(),
      processor,
      counters: createCounters(),
      ids: undefined,
    },
    alwaysOn,
  );
  tracer.startSpan("work").end();
});
