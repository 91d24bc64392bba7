import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type BatchResult, TracerProvider, withSpan } from "@clew/trace";
import {
  addEvent,
  addLog,
  captureContext,
  continueContext,
  createEntrySpan,
  createExitSpan,
  createLocalSpan,
  error,
  getCorrelation,
  getSegmentId,
  getSpanId,
  getTraceId,
  parseSw8,
  runWithCorrelation,
  type SegmentData,
  SegmentProcessor,
  SkyWalkingPropagator,
  setComponent,
  setOperationName,
  setTag,
  traced,
} from "@clew/trace/skywalking";
import { trace } from "@opentelemetry/api";
import { createQuery } from "../../context/test/query-builder.ts";

const identity = { service: "shop", instance: "shop-1", env: {} };
let segments: SegmentData[] = [];
const processor = new SegmentProcessor(
  {
    async export(given): Promise<BatchResult> {
      segments.push(...given);
      return { outcome: "exported" };
    },
    async shutdown() {},
  },
  identity,
);
const propagator = new SkyWalkingPropagator(identity);
const provider = new TracerProvider({ processor, ids: processor, propagator, env: {} });
before(() => void provider.register());
after(() => provider.shutdown());
afterEach(() => {
  segments = [];
});

async function flush(): Promise<SegmentData[]> {
  await processor.forceFlush();
  return segments;
}

test("entry, local and exit spans: headers in and out, tags, logs, events, component, error", async () => {
  const headers: Record<string, string> = {};
  const upstream = createExitSpan("call", "shop:80", (name, value) => {
    headers[name] = value;
  });
  upstream.stop();
  const entry = createEntrySpan("/orders", (name) => headers[name]);
  const out: Record<string, string> = {};
  entry.run(() => {
    setTag("a", "1");
    addLog("k", "v", "odd");
    const local = createLocalSpan("work").setTag("b", "2").addEvent("warn", "careful").setComponent(92);
    local.run(() => {
      assert.equal(getSpanId(), 1);
      createExitSpan("next", "10.0.0.2:81", (name, value) => {
        out[name] = value;
      }).stop();
    });
    local.error(new RangeError("no")).setOperationName("renamed").stop();
    assert.equal(getTraceId(), parseSw8(headers.sw8!)!.place.traceId);
  });
  entry.stop();
  const [first, second] = await flush();
  assert.equal(second!.traceId, first!.traceId);
  const [root, local, exit] = second!.spans;
  assert.equal(root!.references[0]!.parentSegmentId, first!.segmentId);
  assert.equal(root!.references[0]!.address, "shop:80");
  assert.deepEqual(root!.tags, ["a", "1"]);
  assert.deepEqual(root!.logs[0]!.data, ["k", "v", "odd", ""]);
  assert.deepEqual([local!.operation, local!.componentId, local!.isError], ["renamed", 92, true]);
  assert.deepEqual(local!.logs[0]!.data, ["warn", "careful"]);
  assert.equal(local!.logs[1]!.data[3], "RangeError");
  assert.deepEqual([exit!.peer, exit!.parentSpanId], ["10.0.0.2:81", 1]);
  const { place } = parseSw8(out.sw8!)!;
  assert.deepEqual([place.address, place.endpoint, place.number], ["10.0.0.2:81", "/orders", 2]);
});

test("outside of any span there are no ids, and nothing throws", () => {
  assert.deepEqual([getTraceId(), getSegmentId(), getSpanId()], ["N/A", "N/A", -1]);
  setTag("a", "1");
  addLog("a", "1");
});

test("a context is captured and continued elsewhere", async () => {
  const entry = createEntrySpan("a");
  const captured = entry.run(captureContext);
  continueContext(captured, () => createLocalSpan("elsewhere").stop());
  entry.stop();
  const [segment] = await flush();
  assert.deepEqual(
    segment!.spans.map(({ operation }) => operation),
    ["a", "elsewhere"],
  );
});

test("an async span goes on after its stop, until it is finished; misuse throws", async () => {
  const entry = createEntrySpan("a").prepareAsync();
  assert.throws(() => entry.prepareAsync(), /before/);
  entry.stop();
  entry.setTag("late", "1");
  assert.equal((await flush()).length, 0);
  entry.asyncFinish();
  assert.throws(() => entry.asyncFinish(), /once/);
  assert.throws(() => createLocalSpan("b").asyncFinish(), /prepareAsync/);
  const [segment] = await flush();
  assert.deepEqual(segment!.spans[0]!.tags, ["late", "1"]);
});

test("a correlation travels with the calls made in it", () => {
  const headers: Record<string, string> = {};
  runWithCorrelation("user", "ann", () => {
    assert.equal(getCorrelation("user"), "ann");
    createExitSpan("call", "h:1", (name, value) => {
      headers[name] = value;
    }).stop();
    runWithCorrelation("user", "", () => assert.equal(getCorrelation("user"), undefined));
    runWithCorrelation("user", "x".repeat(200), () => assert.equal(getCorrelation("user"), "ann"));
  });
  assert.equal(headers["sw8-correlation"], "dXNlcg==:YW5u");
  const entry = createEntrySpan("b", (name) => headers[name]);
  entry.run(() => assert.equal(getCorrelation("user"), "ann"));
  entry.stop();
});

test("tags, logs, events, names, components and errors of the active span, wherever it was made", async () => {
  await flush();
  segments = [];
  createEntrySpan("/raw").run(() => {
    withSpan("work", () => {
      setOperationName("look up");
      setComponent(31);
      addEvent("warn", "careful");
      error(new TypeError("broken"));
    });
    setOperationName("/orders/{id}");
    trace.getActiveSpan()?.end();
  });
  const [segment] = await flush();
  assert.deepEqual(
    segment!.spans.map(({ operation, isError }) => [operation, isError]),
    [
      ["/orders/{id}", false],
      ["look up", true],
    ],
  );
  const work = segment!.spans[1]!;
  assert.equal(work.componentId, 31);
  assert.deepEqual(work.logs[0]!.data, ["warn", "careful"]);
  assert.deepEqual(work.logs[1]!.data.slice(0, 6), ["event", "error", "error.kind", "TypeError", "message", "broken"]);
});

test("a traced thing that does its work when it is awaited does it inside the span", async () => {
  const query = traced("query", () => createQuery<number>((resolve) => setImmediate(() => resolve(getSpanId()))));
  const entry = createEntrySpan("root");
  await entry.run(async () => assert.equal(await query(), 1));
  entry.stop();
  const segment = (await flush()).at(-1)!;
  assert.deepEqual(
    segment.spans.map(({ operation }) => operation),
    ["root", "query"],
  );
});

test("traced functions: values, throws, promises, generators of both kinds", async () => {
  await flush();
  segments = [];
  const entry = createEntrySpan("root");
  await entry.run(async () => {
    assert.equal(traced("sync", (a: number, b: number) => a + b)(1, 2), 3);
    assert.throws(
      traced("throws", () => {
        throw new Error("a");
      }),
      /a/,
    );
    assert.equal(await traced("async", async () => getSpanId())(), 3);
    await assert.rejects(
      traced("rejects", async () => {
        throw new Error("b");
      }),
      /b/,
    );
    const numbers = traced("generator", function* () {
      yield getSpanId();
      yield getSpanId();
    });
    assert.deepEqual([...numbers()], [5, 5]);
    const slow = traced("async generator", async function* () {
      yield getSpanId();
      throw new Error("c");
    });
    await assert.rejects(async () => {
      for await (const id of slow()) assert.equal(id, 6);
    }, /c/);
    for (const _ of numbers()) break;
  });
  entry.stop();
  const segment = (await flush()).find(({ spans }) => spans[0]!.operation === "root");
  assert.deepEqual(
    segment!.spans.map(({ operation, isError }) => `${operation} ${isError}`),
    [
      "root false",
      "sync false",
      "throws true",
      "async false",
      "rejects true",
      "generator false",
      "async generator true",
      "generator false",
    ],
  );
});
