// What was started is exported, refused, given up, dropped, waiting or alive; nothing is lost in silence. Random destinations, fixed seeds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  alwaysOff,
  alwaysOn,
  BatchProcessor,
  type ExportResult,
  type SpanData,
  TailProcessor,
  TracerProvider,
} from "@clew/trace";
import { type Span, SpanStatusCode } from "@opentelemetry/api";
import { createRandom } from "./random.ts";

test("started = exported + rejected + failed + dropped + waiting + alive, at every moment", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (let seed = 1; seed <= 40; seed++) {
    const random = createRandom(seed);
    const arrived = new Set<string>();
    let handedOver = 0;
    const batch = new BatchProcessor(
      {
        async export(spans: readonly SpanData[]): Promise<ExportResult> {
          if (random.below(3) === 0) await nextTurn();
          switch (random.below(6)) {
            case 0:
              return { outcome: "unavailable", retryAfterMs: random.below(500) };
            case 1:
              return { outcome: "failed" };
            case 2:
              throw new Error("broken");
            case 3:
              return new Promise(() => {});
            default: {
              for (const span of spans) {
                assert.equal(arrived.has(span.spanId), false, "nothing arrives twice");
                arrived.add(span.spanId);
              }
              handedOver += spans.length;
              return { outcome: "exported", rejectedSpans: random.below(3) };
            }
          }
        },
        async shutdown() {},
      },
      { capacity: 64, batchSize: 8, delayMs: 100, exportTimeoutMs: 1000, env: {} },
    );
    const withTail = seed % 2 === 0;
    const tail = new TailProcessor(batch, { maxTraces: 4 });
    const tracer = new TracerProvider({
      processor: withTail ? tail : batch,
      sampler: withTail ? alwaysOff : alwaysOn,
      env: {},
    }).getTracer("test");
    const alive: Span[] = [];
    const check = (): void => {
      const { started, exported, rejected, failed, dropped, waiting } = batch.stats();
      // Without a tail, live spans are started already.
      assert.equal(
        started,
        exported + rejected + failed + dropped + waiting + (withTail ? 0 : alive.length),
        `seed ${seed}`,
      );
      assert.ok(exported + rejected <= handedOver);
      if (!withTail) return;
      const { ended, kept, forgotten, held, dropped: lost } = tail.stats();
      assert.equal(ended, kept + forgotten + held + lost, `seed ${seed}`);
      assert.equal(kept, started);
    };
    for (let step = 0; step < 150; step++) {
      for (let count = random.below(8); count > 0; count--) alive.push(tracer.startSpan("work"));
      for (let count = random.below(9); count > 0 && alive.length > 0; count--) {
        const span = alive.splice(random.below(alive.length), 1)[0]!;
        if (random.below(3) === 0) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      }
      if (random.below(3) === 0) t.mock.timers.tick(random.below(600));
      if (random.below(4) === 0) await nextTurn();
      check();
    }
    const stopped = batch.shutdown();
    for (let turn = 0; turn < 200; turn++) {
      t.mock.timers.tick(100);
      await nextTurn();
    }
    await stopped;
    check();
    assert.equal(batch.stats().waiting, 0);
  }
});

test("spans that ended while the destination was away arrive later, errors and slow ones before others when space is short", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let isAway = true;
  const names: string[] = [];
  const batch = new BatchProcessor(
    {
      async export(spans: readonly SpanData[]): Promise<ExportResult> {
        if (isAway) return { outcome: "unavailable" };
        names.push(...spans.map((span) => span.name));
        return { outcome: "exported" };
      },
      async shutdown() {},
    },
    { capacity: 16, batchSize: 4, delayMs: 100, env: {} },
  );
  const tracer = new TracerProvider({ processor: batch, env: {} }).getTracer("test");
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await nextTurn();
  };
  for (let count = 0; count < 30; count++) tracer.startSpan(`ordinary ${count}`).end();
  await settle();
  tracer.startSpan("error").setStatus({ code: SpanStatusCode.ERROR }).end();
  tracer.startSpan("slow", { startTime: 1_800_000_000_000 }).end(1_800_000_002_000);
  isAway = false;
  t.mock.timers.tick(100);
  await settle();
  t.mock.timers.tick(100);
  await settle();
  assert.deepEqual(names, [...Array.from({ length: 14 }, (_, index) => `ordinary ${index}`), "error", "slow"]);
  const { started, exported, rejected, dropped, failed, waiting } = batch.stats();
  assert.deepEqual([started, exported, rejected, dropped, failed, waiting], [32, 16, 0, 16, 0, 0]);
});
