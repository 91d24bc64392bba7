import assert from "node:assert/strict";
import { test } from "node:test";
import type { Summary } from "./api.ts";
import { mergeSummaries, servicesPassed, unknownTo } from "./summary-list.ts";

function summary(traceId: string, startMs: number, spanCount = 1): Summary {
  return {
    traceId,
    rootService: "user",
    rootOperation: "op",
    path: null,
    startMs,
    durationMs: 1,
    spanCount,
    errorCount: 0,
    services: [],
    complete: true,
  };
}
const ids = (list: readonly Summary[]): string[] => list.map(({ traceId }) => traceId);

test("new traces take their place by start time, the newest first", () => {
  const list = mergeSummaries([summary("b", 2)], [summary("c", 3), summary("a", 1)]);
  assert.deepEqual(ids(list), ["c", "b", "a"]);
});

test("a grown trace replaces its older state, and is not twice in the list", () => {
  const list = mergeSummaries([summary("b", 2), summary("a", 1)], [summary("a", 1, 2), summary("a", 1, 7)]);
  assert.deepEqual(ids(list), ["b", "a"]);
  assert.equal(list[1]!.spanCount, 7);
});

test("a trace whose first span arrived late moves down", () => {
  assert.deepEqual(ids(mergeSummaries([summary("b", 2), summary("a", 1)], [summary("b", 0)])), ["a", "b"]);
});

test("traces of the same moment keep one order", () => {
  const one = mergeSummaries([], [summary("a", 1), summary("b", 1)]);
  const other = mergeSummaries([], [summary("b", 1), summary("a", 1)]);
  assert.deepEqual(ids(one), ids(other));
});

test("the list given stays as it was, and is returned when there is nothing new", () => {
  const list = [summary("a", 1)];
  mergeSummaries(list, [summary("b", 2)]);
  assert.deepEqual(ids(list), ["a"]);
  assert.equal(mergeSummaries(list, []), list);
});

test("known and unknown arrivals are told apart", () => {
  assert.deepEqual(ids(unknownTo([summary("a", 1)], [summary("a", 1), summary("b", 2)])), ["b"]);
});

test("the service that began the trace is named first, the others keep their order", () => {
  const services = ["message", "profile", "user"].map((name) => ({ name, spanCount: 1, errorCount: 0 }));
  const passed = (rootService: string): string[] =>
    servicesPassed({ ...summary("a", 1), services, rootService }).map(({ name }) => name);
  assert.deepEqual(passed("user"), ["user", "message", "profile"]);
  assert.deepEqual(passed("gone"), ["message", "profile", "user"]);
});
