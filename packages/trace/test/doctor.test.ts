import assert from "node:assert/strict";
import { test } from "node:test";
import { Doctor, TracerProvider } from "@clew/trace";
import { SpanKind } from "@opentelemetry/api";

const doctor = new Doctor({ stacks: 1, leakMs: 0 });
const tracer = new TracerProvider({ processor: doctor, env: {} }).getTracer("pool");

function serve(): void {
  tracer.startSpan("GET /orders", { kind: SpanKind.SERVER });
}
function findOrders(): void {
  tracer.startSpan("query", { kind: SpanKind.CLIENT }).end();
}

test("findings show the lines of the app that started the spans, and no others", () => {
  serve();
  findOrders();
  const [lost, leak] = doctor.findings();
  assert.deepEqual([lost!.what, leak!.what], ["context lost", "span never ended"]);
  assert.match(lost!.stack[0]!, /^at findOrders \(.*doctor\.test\.ts:\d+:\d+\)$/);
  assert.match(leak!.stack[0]!, /^at serve \(.*doctor\.test\.ts:\d+:\d+\)$/);
  for (const line of [...lost!.stack, ...leak!.stack]) assert.doesNotMatch(line, /node:|packages\/trace\/(dist|src)/);
  assert.match(doctor.report(), /context lost: query \(pool\)\n.*\n {4}at findOrders/);
});
