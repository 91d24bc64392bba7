import assert from "node:assert/strict";
import { test } from "node:test";
import { ROOT_CONTEXT, type SpanContext, SpanKind, trace } from "@opentelemetry/api";
import { keepSpans } from "../test/keep-spans.ts";
import { composeProcessors } from "./compose-processors.ts";
import { Doctor, type DoctorOptions, type Finding } from "./doctor.ts";
import { alwaysOff } from "./sampler.ts";
import { TracerProvider } from "./tracer-provider.ts";

function setUp(options: DoctorOptions = {}) {
  const doctor = new Doctor(options);
  const tracer = new TracerProvider({ processor: doctor, env: {} }).getTracer("db", "1");
  const find = (what: Finding["what"]): Finding | undefined =>
    doctor.findings().find((finding) => finding.what === what);
  return { doctor, tracer, find };
}

test("a process whose spans nest has nothing to report", () => {
  const { doctor, tracer } = setUp();
  tracer.startSpan("job").end();
  const server = tracer.startSpan("GET /", { kind: SpanKind.SERVER });
  tracer.startSpan("query", { kind: SpanKind.CLIENT }, trace.setSpan(ROOT_CONTEXT, server)).end();
  server.end();
  assert.deepEqual(doctor.findings(), []);
  assert.match(doctor.report(), /nothing to report/);
});

test("a query that begins a trace of its own while a request is served has lost its context, and shows where", () => {
  const { doctor, tracer, find } = setUp();
  const server = tracer.startSpan("GET /", { kind: SpanKind.SERVER });
  for (let count = 0; count < 3; count++) tracer.startSpan("query", { kind: SpanKind.CLIENT, root: true }).end();
  server.end();
  const lost = find("context lost")!;
  assert.deepEqual([lost.where, lost.count], ["query (db)", 3]);
  const report = doctor.report();
  assert.match(report, /^1 finding\n\ncontext lost: query \(db\), 3 times\n/);
  assert.match(report, /what helps: .*bind\(\)/);
});

test("late spans and unknown parents are named", () => {
  const { tracer, find } = setUp();
  const request = tracer.startSpan("request");
  request.end();
  tracer.startSpan("write log", {}, trace.setSpan(ROOT_CONTEXT, request)).end();
  assert.equal(find("late span")?.where, "write log (db)");
  assert.equal(find("unknown parent"), undefined);
  const stranger: SpanContext = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 };
  tracer.startSpan("child", {}, trace.setSpanContext(ROOT_CONTEXT, stranger)).end();
  assert.equal(find("unknown parent")?.where, "child (db)");
  tracer.startSpan("fine", {}, trace.setSpanContext(ROOT_CONTEXT, { ...stranger, isRemote: true })).end();
  assert.equal(find("unknown parent")?.count, 1);
});

test("spans that never end are found by their age", () => {
  let now = 0;
  const { tracer, find, doctor } = setUp({ leakMs: 1000, stacks: 1, now: () => now });
  tracer.startSpan("leak");
  const ended = tracer.startSpan("slow");
  now = 999;
  assert.equal(find("span never ended"), undefined);
  now = 61_000;
  tracer.startSpan("leak");
  ended.end();
  const leak = find("span never ended")!;
  assert.deepEqual([leak.where, leak.count, leak.detail], ["leak (db)", 1, "the oldest started 61 s ago"]);
  assert.match(doctor.report(), /span never ended: leak \(db\)/);
});

test("exporters that fail and limits that were met are told", () => {
  const counts = { started: 9, exported: 1, rejected: 1, dropped: 2, failed: 3, waiting: 2 };
  const stats = { ...counts, late: 0, timedOut: 0, exporting: 0, capacity: 10 };
  const counters = { ...new TracerProvider({ env: {} }).stats(), droppedSpans: 4 };
  const { find } = setUp({
    exporters: { otlp: () => stats, console: () => ({ ...stats, rejected: 0, dropped: 0, failed: 0 }) },
    provider: () => counters,
  });
  assert.deepEqual([find("exporter fails")?.where, find("exporter fails")?.count], ["otlp", 6]);
  assert.equal(find("spans dropped")?.count, 4);
});

test("another version of the API that registered itself is told", (t) => {
  const symbol = Symbol.for("opentelemetry.js.api.0");
  const globals = globalThis as unknown as Record<symbol, unknown>;
  globals[symbol] = { version: "0.18.1" };
  Object.assign(globals, {
    [Symbol.for("opentelemetry.js.api.1")]: globals[Symbol.for("opentelemetry.js.api.1")] ?? { version: "1.10.0" },
  });
  t.after(() => Reflect.deleteProperty(globals, symbol));
  const found = setUp().find("API registered twice");
  assert.match(found?.detail ?? "", /0\.18\.1 \(registered as opentelemetry\.js\.api\.0\)/);
});

test("it watches so many spans and no more", () => {
  let now = 0;
  const { tracer, find } = setUp({ maxSpans: 10, leakMs: 1, now: () => now });
  for (let count = 0; count < 100; count++) tracer.startSpan("leak");
  now = 10;
  assert.equal(find("span never ended")?.count, 10);
});

test("it sees spans that nobody samples, and the others beside it do not", () => {
  const doctor = new Doctor();
  const plain = keepSpans();
  const tracer = new TracerProvider({
    sampler: alwaysOff,
    processor: composeProcessors(plain, doctor),
    env: {},
  }).getTracer("db");
  const server = tracer.startSpan("GET /", { kind: SpanKind.SERVER });
  tracer.startSpan("query", { kind: SpanKind.CLIENT }).end();
  server.end();
  assert.equal(doctor.findings()[0]?.what, "context lost");
  assert.deepEqual([plain.started, plain.spans.length], [0, 0]);
});
