import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createTraceId } from "../ids.ts";
import { TraceState } from "../otel/trace-state.ts";
import {
  foreignTraceId,
  IdGenerator,
  keepForeignId,
  loneSegmentId,
  SegmentSpanIds,
  toSpanId,
  toTraceId,
} from "./ids.ts";

const processPart = "6165534aaf6511eebfc75626e1cdcfe2";
const goId = `${processPart}.131.39166202646740003`;

test("Go's ids count from 1899-11-30, Java's from 1970, to the last digit", () => {
  const now = (): number => Date.parse("2024-01-10T06:04:24.674Z");
  const go = new IdGenerator({ form: "go", process: processPart, thread: 131, now });
  for (let count = 0; count < 3; count++) go.create();
  assert.equal(go.create(), goId);
  const java = new IdGenerator({ form: "java", process: processPart, thread: 7, now });
  assert.equal(java.create(), `${processPart}.7.17048666646740000`);
  assert.match(new IdGenerator().create(), /^[0-9a-f]{32}$/);
});

test("more than 10_000 ids in a millisecond, and a clock that is set back, give no id twice", () => {
  let nowMs = 1_700_000_000_000;
  const generator = new IdGenerator({ form: "go", process: processPart, thread: 0, now: () => nowMs });
  const ids = new Set<string>();
  let count = 0;
  const take = (number: number): void => {
    for (let index = 0; index < number; index++) ids.add(generator.create());
    count += number;
  };
  take(25_000);
  nowMs -= 3_600_000;
  take(25_000);
  nowMs += 3_600_001;
  take(10_001);
  nowMs += 60_000;
  take(10_001);
  assert.equal(ids.size, count);
});

test("a million ids are unique over threads, with the clock stepping back", { timeout: 300_000 }, async () => {
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.module).then(({ IdGenerator }) => {
      let nowMs = 1700000000000;
      const generator = new IdGenerator({ form: "go", now: () => (nowMs += Math.random() < 0.001 ? -1000 : Math.random() < 0.0005 ? 1500 : 0) });
      const ids = [];
      for (let index = 0; index < 250000; index++) ids.push(generator.create());
      parentPort.postMessage(ids);
    });`;
  // Makes the process's part, which the threads inherit.
  new IdGenerator({ form: "go" });
  const module = new URL("ids.ts", import.meta.url).href;
  const lists = await Promise.all(
    Array.from(
      { length: 4 },
      () =>
        new Promise<string[]>((resolve, reject) => {
          const worker = new Worker(source, { eval: true, workerData: { module } });
          worker.on("message", resolve);
          worker.on("error", reject);
        }),
    ),
  );
  const all = new Set<string>();
  for (const list of lists) for (const id of list) all.add(id);
  assert.equal(all.size, 1_000_000);
  const first = (list: readonly string[]): string[] => list[0]!.split(".");
  assert.equal(new Set(lists.map((list) => first(list)[0])).size, 1);
  assert.equal(new Set(lists.map((list) => first(list)[1])).size, 4);
});

test("the mapping of trace ids: golden values", () => {
  assert.equal(toTraceId("0af7651916cd43dd8448eb211c80319c"), "0af7651916cd43dd8448eb211c80319c");
  assert.equal(toTraceId(goId), "0266bb4c22225ad1b99da919a31f2eb9");
  assert.equal(toTraceId("t.1.1"), "3aadb88dc5a7306e73cc0b5ed0e8db4a");
  assert.equal(toTraceId("0AF7651916CD43DD8448EB211C80319C"), "2fcd6af50d8efa4893ee1b300a6432a9");
  assert.equal(toTraceId("zoë"), "2752b88686847fa5c86f47b94ce652b7");
});

test("the mapping of spans: golden values, neighbours, and the span that is its own segment", () => {
  assert.equal(toSpanId(`${processPart}.131.39166202646740004`, 2), "abd3ee42b911f564");
  assert.equal(toSpanId("s.1.1", 0), "53a866fc14553cff");
  assert.equal(toSpanId("1e7c204a7bf711eab858acde48001122", 3), "1e7c204a7bf711ed");
  assert.equal(toSpanId("fffffffffffffffe0000000000000000", 3), "0000000000000001");
  const ids = new SegmentSpanIds("s.1.1");
  assert.equal(BigInt(`0x${ids.of(300)}`) - BigInt(`0x${ids.of(0)}`), 300n);
  const trace = createTraceId();
  assert.equal(toSpanId(loneSegmentId(trace, "b7ad6b7169203331"), 0), "b7ad6b7169203331");
  assert.notEqual(toSpanId(loneSegmentId(trace, "b7ad6b7169203331"), 1), "b7ad6b7169203331");
});

test("tracestate keeps the foreign id, of this trace only", () => {
  for (const id of [goId, "zoë,=%~ ", "a%2"]) {
    const state = keepForeignId(id, toTraceId(id), TraceState.parse("other=1"));
    const parsed = TraceState.parse(state!.serialize());
    assert.equal(foreignTraceId(toTraceId(id), parsed), id);
    assert.equal(foreignTraceId(createTraceId(), parsed)?.length, 32);
    assert.equal(parsed?.get("other"), "1");
  }
  assert.equal(keepForeignId(processPart, toTraceId(processPart), undefined), undefined);
});

test("a foreign id too long for tracestate leaves the mapped id", () => {
  const id = "x".repeat(300);
  assert.equal(keepForeignId(id, toTraceId(id), undefined), undefined);
  assert.equal(foreignTraceId(toTraceId(id), undefined), toTraceId(id));
});
