import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { current } from "@clew/context";
import { SpanStatusCode } from "@opentelemetry/api";
import { type BatchOptions, BatchProcessor, type BatchStats, resolveBatchOptions } from "./batch.ts";
import type { SpanData } from "./span-data.ts";
import type { EncodedBatch, EncodingExporter, ExportResult, SpanExporter } from "./span-exporter.ts";
import { isTracingSuppressed } from "./suppress-tracing.ts";
import { TracerProvider } from "./tracer-provider.ts";

/** Names of spans, each as long as `lengthOf` says. */
class NameBatch implements EncodedBatch {
  readonly names: string[] = [];
  isReleased = false;
  readonly #lengthOf: (name: string) => number;

  constructor(lengthOf: (name: string) => number = () => 4) {
    this.#lengthOf = lengthOf;
  }

  get length(): number {
    return this.names.length;
  }

  get byteLength(): number {
    return this.names.reduce((sum, name) => sum + this.#lengthOf(name), 0);
  }

  add({ name }: Pick<SpanData, "name">): void {
    assert.ok(!this.isReleased);
    this.names.push(name);
  }

  splitLast(): NameBatch {
    const rest = new NameBatch(this.#lengthOf);
    rest.names.push(this.names.pop()!);
    return rest;
  }

  release(): void {
    this.isReleased = true;
  }
}

/** A batch on a fake clock, an exporter that answers what the test says, and spans on demand. */
function setUp(t: TestContext, options: BatchOptions = {}, createBatch?: EncodingExporter["createBatch"]) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const batches: string[][] = [];
  const replies: (ExportResult | Error | Promise<ExportResult>)[] = [];
  const suppressed: boolean[] = [];
  let shutdowns = 0;
  const exporter: SpanExporter & Pick<EncodingExporter, "createBatch"> = {
    createBatch,
    async export(spans: readonly SpanData[] | NameBatch) {
      batches.push(spans instanceof NameBatch ? [...spans.names] : spans.map(({ name }) => name));
      suppressed.push(isTracingSuppressed(current()));
      const reply = (await replies.shift()) ?? { outcome: "exported" };
      if (reply instanceof Error) throw reply;
      return reply;
    },
    async shutdown() {
      shutdowns++;
    },
  };
  const processor = new BatchProcessor(exporter, { capacity: 16, batchSize: 4, delayMs: 1000, env: {}, ...options });
  const provider = new TracerProvider({ processor });
  const tracer = provider.getTracer("test");
  let next = 0;
  const end = (count = 1, code = SpanStatusCode.UNSET): void => {
    for (let made = 0; made < count; made++) tracer.startSpan(`${next++}`).setStatus({ code }).end();
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await nextTurn();
  };
  const pass = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await settle();
  };
  return { processor, tracer, batches, replies, suppressed, end, settle, pass, shutdowns: () => shutdowns };
}

function some(stats: BatchStats, ...keys: (keyof BatchStats)[]): number[] {
  return keys.map((key) => stats[key]);
}

test("a span waits for others, and goes when it has waited long enough", async (t) => {
  const { end, pass, batches, processor, suppressed } = setUp(t);
  end(2);
  await pass(999);
  assert.deepEqual(batches, []);
  end(1);
  await pass(1);
  assert.deepEqual(batches, [["0", "1", "2"]]);
  assert.deepEqual(some(processor.stats(), "started", "exported", "waiting"), [3, 3, 0]);
  assert.deepEqual(suppressed, [true], "the exporter's own work is not traced");
  end(1);
  await pass(1000);
  assert.equal(batches.length, 2, "the clock is set again for the next span");
});

test("a full batch goes without waiting, but after the work that filled it", async (t) => {
  const { end, settle, pass, batches } = setUp(t);
  end(5);
  assert.deepEqual(batches, []);
  await settle();
  assert.deepEqual(batches, [["0", "1", "2", "3"]]);
  await pass(1000);
  assert.deepEqual(batches[1], ["4"], "what is not a full batch waits");
});

test("a batch is full when its bytes are enough, where they are known; a span alone may have more", async (t) => {
  const createBatch = () => new NameBatch((name) => (name === "3" ? 25 : 4));
  const { end, settle, pass, batches, processor } = setUp(t, { batchSize: 8, batchBytes: 10 }, createBatch);
  end(1);
  await settle();
  assert.deepEqual(batches, [], "there is room for another like it");
  end(1);
  await settle();
  assert.deepEqual(batches, [["0", "1"]], "a third would be too much");
  end(3);
  await settle();
  assert.deepEqual(batches.slice(1), [["2"], ["3"]]);
  await pass(1000);
  assert.deepEqual(batches.slice(3), [["4"]]);
  assert.deepEqual(some(processor.stats(), "exported", "waiting"), [5, 0]);
});

test("spans that are written when they end wait, go and stay in batches like any others", async (t) => {
  const { end, pass, settle, batches, replies, processor } = setUp(t, {}, () => new NameBatch());
  replies.push({ outcome: "unavailable" });
  end(2);
  await pass(1000);
  end(5);
  await settle();
  assert.deepEqual(batches, [["0", "1"]], "the destination is left alone");
  await pass(1000);
  assert.deepEqual(
    batches.slice(1),
    [["0", "1"], ["2", "3", "4", "5"], ["6"]],
    "a batch that was handed over takes no more",
  );
  end(16);
  assert.deepEqual(some(processor.stats(), "exported", "waiting", "dropped"), [7, 14, 2]);
  await processor.shutdown();
  end(1);
  assert.deepEqual(some(processor.stats(), "exported", "waiting", "dropped"), [21, 0, 3]);
});

test("a batch is let go when its exporter has done with it", async (t) => {
  const made: NameBatch[] = [];
  const createBatch = () => {
    const batch = new NameBatch();
    made.push(batch);
    return batch;
  };
  const { end, pass, settle, replies, processor } = setUp(t, { exportTimeoutMs: 30_000 }, createBatch);
  const late = Promise.withResolvers<ExportResult>();
  replies.push({ outcome: "unavailable" }, { outcome: "exported" }, { outcome: "failed" }, late.promise);
  const released = () => made.map(({ isReleased }) => isReleased);
  end(4);
  await settle();
  assert.deepEqual(released(), [false], "it will be handed over again");
  await pass(1000);
  assert.deepEqual(released(), [true]);
  end(8);
  await settle();
  await pass(30_000);
  assert.deepEqual(some(processor.stats(), "failed", "waiting"), [8, 0]);
  assert.deepEqual(released(), [true, true, false], "given up, but somebody may still read it");
  late.resolve({ outcome: "exported" });
  await settle();
  assert.deepEqual(released(), [true, true, true]);
});

test("only one export is under way at a time; then what gathered goes", async (t) => {
  const { end, settle, batches, replies } = setUp(t);
  const { promise, resolve } = Promise.withResolvers<ExportResult>();
  replies.push(promise);
  end(4);
  await settle();
  end(8);
  await settle();
  assert.equal(batches.length, 1);
  resolve({ outcome: "exported" });
  await settle();
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [4, 4, 4],
  );
});

test("while the destination is away spans stay in the ring, and are sent once it is back", async (t) => {
  const { end, settle, pass, batches, replies, processor } = setUp(t);
  replies.push({ outcome: "unavailable" }, { outcome: "unavailable", retryAfterMs: 5000 });
  end(4);
  await settle();
  assert.equal(batches.length, 1);
  end(4);
  await pass(999);
  assert.equal(batches.length, 1, "it is left alone");
  await pass(1);
  assert.equal(batches.length, 2);
  await pass(4999);
  assert.equal(batches.length, 2, "for as long as it asked");
  await pass(1);
  assert.deepEqual(batches.slice(2), [
    ["0", "1", "2", "3"],
    ["4", "5", "6", "7"],
  ]);
  assert.deepEqual(some(processor.stats(), "exported", "dropped", "failed", "waiting"), [8, 0, 0, 0]);
});

test("a full ring drops and counts; errors and slow spans have the last places", async (t) => {
  const { end, tracer, replies, processor, settle } = setUp(t);
  const { promise, resolve } = Promise.withResolvers<ExportResult>();
  replies.push(promise);
  end(20);
  assert.deepEqual(some(processor.stats(), "started", "waiting", "dropped"), [20, 14, 6]);
  end(1, SpanStatusCode.ERROR);
  const now = Date.now();
  tracer.startSpan("slow", { startTime: now }).end(now + 1000);
  end(1, SpanStatusCode.ERROR);
  assert.deepEqual(some(processor.stats(), "waiting", "dropped"), [16, 7]);
  resolve({ outcome: "exported" });
  await settle();
});

test("a batch that was refused, or whose export broke, is given up and counted", async (t) => {
  const { end, settle, replies, processor } = setUp(t);
  replies.push({ outcome: "failed" }, new Error("broken"), { outcome: "exported", rejectedSpans: 3 });
  end(12);
  await settle();
  assert.deepEqual(some(processor.stats(), "failed", "rejected", "exported", "waiting"), [8, 3, 1, 0]);
});

test("an export that never comes back is given up in the end", async (t) => {
  const { end, settle, pass, replies, processor, batches } = setUp(t, { exportTimeoutMs: 30_000 });
  replies.push(new Promise(() => {}));
  end(8);
  await settle();
  await pass(29_999);
  assert.equal(batches.length, 1);
  await pass(1);
  assert.deepEqual(some(processor.stats(), "failed", "exported"), [4, 4]);
});

test("a flush exports all that has ended, waiting for what is under way", async (t) => {
  const { end, settle, batches, replies, processor } = setUp(t);
  const { promise, resolve } = Promise.withResolvers<ExportResult>();
  replies.push(promise);
  end(4);
  await settle();
  end(2);
  const flushed = Promise.all([processor.forceFlush(), processor.forceFlush()]);
  resolve({ outcome: "exported" });
  await flushed;
  assert.deepEqual(batches, [
    ["0", "1", "2", "3"],
    ["4", "5"],
  ]);
  await processor.forceFlush();
  assert.equal(batches.length, 2);
});

test("a flush does not wait for a destination that is away", async (t) => {
  const { end, replies, processor } = setUp(t);
  replies.push({ outcome: "unavailable" });
  end(1);
  await processor.forceFlush();
  assert.equal(processor.stats().waiting, 1);
});

test("a shutdown exports what waits and takes nothing more", async (t) => {
  const { end, batches, processor, shutdowns } = setUp(t);
  end(6);
  await Promise.all([processor.shutdown(), processor.shutdown()]);
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [4, 2],
  );
  assert.equal(shutdowns(), 1);
  end(1);
  await processor.forceFlush();
  assert.deepEqual(some(processor.stats(), "exported", "dropped", "waiting"), [6, 1, 0]);
});

test("a shutdown ends at its deadline, and counts what it left as dropped", async (t) => {
  const { end, settle, pass, replies, processor, shutdowns } = setUp(t, { shutdownTimeoutMs: 2000 });
  const { promise, resolve } = Promise.withResolvers<ExportResult>();
  replies.push(promise);
  end(6);
  const stopped = processor.shutdown();
  await pass(2000);
  await stopped;
  assert.equal(shutdowns(), 1);
  assert.deepEqual(some(processor.stats(), "exported", "dropped", "waiting"), [0, 6, 0]);
  resolve({ outcome: "exported" });
  await settle();
  assert.deepEqual(some(processor.stats(), "exported", "dropped"), [0, 6], "no span counts twice");
});

test("settings come from the options, then from the environment, then from the defaults", () => {
  const env = {
    OTEL_BSP_MAX_QUEUE_SIZE: "100",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "500",
    OTEL_BSP_SCHEDULE_DELAY: "soon",
  };
  const { capacity, batchSize, delayMs } = resolveBatchOptions({ env });
  assert.deepEqual([capacity, batchSize, delayMs], [100, 100, 1000]);
  assert.equal(resolveBatchOptions({ env, capacity: 5 }).capacity, 5);
});
