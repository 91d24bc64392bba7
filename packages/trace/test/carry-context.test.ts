import assert from "node:assert/strict";
import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import {
  type CarriedContext,
  carryContext,
  contextEnvironment,
  contextFromEnvironment,
  findAttribute,
  type SpanData,
  TracerProvider,
  withCarriedContext,
  withSpan,
} from "@clew/trace";
import { context, propagation, ROOT_CONTEXT, type Span, trace } from "@opentelemetry/api";
import { keepSpans } from "./keep-spans.ts";

const processor = keepSpans();
const provider = new TracerProvider({ processor, env: {} });
before(() => provider.register());
after(() => provider.shutdown());

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const traceparent = `00-${traceId}-${spanId}-01`;

test("what is carried is plain text, and whoever gets it goes on with the trace and the baggage", async () => {
  const baggage = propagation.createBaggage({ tenant: { value: "acme" } });
  const carried = withSpan(
    "sender",
    (): CarriedContext => context.with(propagation.setBaggage(context.active(), baggage), () => carryContext()),
  );
  assert.deepEqual(Object.keys(carried), ["traceparent", "baggage"]);
  assert.deepEqual(structuredClone(carried), carried);
  await withCarriedContext(JSON.parse(JSON.stringify(carried)), async () => {
    await null;
    assert.equal(propagation.getActiveBaggage()?.getEntry("tenant")?.value, "acme");
    withSpan("receiver", () => {});
  });
  const [sender, receiver] = processor.spans.splice(0);
  assert.deepEqual([receiver!.traceId, receiver!.parentSpanId], [sender!.traceId, sender!.spanId]);
  assert.equal(receiver!.isParentRemote, true);
});

test("whatever comes instead costs no more than a new trace", () => {
  const throwing = Object.defineProperty({}, "traceparent", { get: () => 7, enumerable: true });
  for (const carried of [undefined, null, 7, "text", [], {}, { traceparent: 7 }, { traceparent: "x" }, throwing]) {
    assert.equal(
      withCarriedContext(carried, () => withSpan("work", () => "done")),
      "done",
    );
  }
  for (const span of processor.spans.splice(0)) assert.equal(span.parentSpanId, "");
});

test("an environment carries it in variables; those of the parent's own parent are replaced", () => {
  const env = { PATH: "/bin", TRACEPARENT: traceparent, TRACESTATE: "a=1", BAGGAGE: "old=1" };
  const written = withSpan("parent", (span) => {
    const made = contextEnvironment(env);
    assert.equal(made.TRACEPARENT, `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`);
    return made;
  });
  processor.spans.length = 0;
  assert.deepEqual(Object.keys(written).sort(), ["PATH", "TRACEPARENT"]);
  assert.deepEqual(contextEnvironment(env, ROOT_CONTEXT), { PATH: "/bin" });
  const read = trace.getSpanContext(contextFromEnvironment(env));
  assert.deepEqual([read?.traceId, read?.spanId, read?.isRemote], [traceId, spanId, true]);
  assert.equal(read?.traceState?.serialize(), "a=1");
  assert.equal(trace.getSpanContext(contextFromEnvironment({ TRACEPARENT: "malformed" })), undefined);
  assert.equal(
    trace.getSpanContext(contextFromEnvironment({ B3: `${traceId}-${spanId}-1`, OTEL_PROPAGATORS: "b3" }))?.spanId,
    spanId,
  );
});

test("a worker thread goes on with the trace, from its start and with each message", async (t) => {
  type Told = Pick<SpanData, "name" | "traceId" | "parentSpanId" | "isParentRemote">;
  let worker: Worker | undefined;
  t.after(() => worker?.terminate());
  const told = await withSpan("starter", async (): Promise<Told[]> => {
    worker = new Worker(new URL("./carry-worker.ts", import.meta.url), { workerData: { carried: carryContext() } });
    return withSpan("sender", async () => {
      worker!.postMessage({ work: "for a message", carried: carryContext() });
      return (await once(worker!, "message"))[0] as Told[];
    });
  });
  const [sender, starter] = processor.spans.splice(0);
  assert.deepEqual(told, [
    { name: "at the start", traceId: starter!.traceId, parentSpanId: starter!.spanId, isParentRemote: true },
    { name: "for a message", traceId: starter!.traceId, parentSpanId: sender!.spanId, isParentRemote: true },
  ]);
});

const program = `
  import { contextFromEnvironment, TracerProvider, withSpan } from "@clew/trace";
  const onEnd = (span) => tell(span.traceId + " " + span.parentSpanId);
  const tell = process.send === undefined ? console.log : (text) => process.send(text);
  const processor = { onStart() {}, onEnd, async forceFlush() {}, async shutdown() {} };
  new TracerProvider({ processor, rootContext: contextFromEnvironment() }).register();
  withSpan("work", () => {});
`;

test("a spawned and a forked process go on with the trace in their environment", async (t) => {
  const folder = mkdtempSync(join(import.meta.dirname, ".readme-carry-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "child.mjs");
  writeFileSync(file, program);
  await withSpan("parent", async (span: Span) => {
    const { traceId, spanId } = span.spanContext();
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env: contextEnvironment() });
    assert.equal(stdout.trim(), `${traceId} ${spanId}`);
    const child = fork(file, { env: contextEnvironment() });
    const [told] = (await once(child, "message")) as [string];
    assert.equal(told, `${traceId} ${spanId}`);
    child.kill();
  });
  processor.spans.length = 0;
});

test("a span started after its request had ended stays in the trace, and says that it is late", async () => {
  let late: Promise<void> | undefined;
  withSpan("request", () => {
    late = (async () => {
      await null;
      withSpan("late", () => withSpan("below the late one", () => {}));
    })();
  });
  await late;
  const [request, below, span] = processor.spans.splice(0);
  assert.equal(request!.name, "request");
  assert.deepEqual([span!.traceId, span!.parentSpanId], [request!.traceId, request!.spanId]);
  assert.equal(findAttribute(span!.attributes, "clew.late"), true);
  assert.equal(findAttribute(below!.attributes, "clew.late"), undefined, "its parent is not over");
  assert.equal(provider.stats().lateSpans, 1);
});
