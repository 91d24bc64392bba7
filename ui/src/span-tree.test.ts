import assert from "node:assert/strict";
import { test } from "node:test";
import type { TraceColumns } from "./api.ts";
import { findSpans } from "./span-query.ts";
import {
  buildSpanTree,
  countBelow,
  errorsBelow,
  hasChildren,
  nextMarked,
  type SpanTree,
  selfTimeUs,
  visibleRows,
  withAncestors,
} from "./span-tree.ts";

interface Given {
  parent: number;
  start: number;
  duration: number;
  service?: number;
  kind?: number;
  error?: 0 | 1;
}

function columns(given: Given[]): TraceColumns {
  return {
    traceId: "a".repeat(32),
    startMs: 1000,
    durationMs: 0.1,
    services: ["user", "message", "profile"],
    operations: ["/demo.v1.Users/List", "SELECT users"],
    spans: {
      spanId: given.map((_, row) => `span${row}`),
      parent: given.map(({ parent }) => parent),
      service: given.map(({ service }) => service ?? 0),
      operation: given.map((_, row) => row % 2),
      startUs: given.map(({ start }) => start),
      durationUs: given.map(({ duration }) => duration),
      kind: given.map(({ kind }) => kind ?? 1),
      error: given.map(({ error }) => error ?? 0),
    },
  };
}

/*
 * 0 ─┬─ 3 ─── 4
 *    └─ 1 ─┬─ 5
 *          └─ 2       rows as they arrived, children by start
 */
const family = columns([
  { parent: -1, start: 0, duration: 100 },
  { parent: 0, start: 40, duration: 50 },
  { parent: 1, start: 60, duration: 20, error: 1 },
  { parent: 0, start: 10, duration: 40 },
  { parent: 3, start: 20, duration: 10, error: 1 },
  { parent: 1, start: 45, duration: 20 },
]);
const none = (tree: SpanTree): Uint8Array => new Uint8Array(tree.size);

test("the tree is walked depth first, children by start", () => {
  const tree = buildSpanTree(family);
  assert.deepEqual([...tree.order], [0, 3, 4, 1, 5, 2]);
  assert.deepEqual([...tree.depth], [0, 1, 2, 1, 2, 2]);
  assert.deepEqual([...tree.parent], [-1, 0, 1, 0, 3, 1]);
  assert.deepEqual([...tree.end], [6, 6, 6, 3, 3, 5]);
  assert.equal(tree.maxDepth, 2);
  assert.equal(tree.ghost, -1);
  assert.equal(countBelow(tree, 0), 5);
  assert.equal(countBelow(tree, 1), 2);
  assert.ok(hasChildren(tree, 3));
  assert.ok(!hasChildren(tree, 4));
});

test("among children of one start the longer comes first", () => {
  const tree = buildSpanTree(
    columns([
      { parent: -1, start: 0, duration: 100 },
      { parent: 0, start: 10, duration: 5 },
      { parent: 0, start: 10, duration: 50 },
    ]),
  );
  assert.deepEqual([...tree.order], [0, 2, 1]);
});

test("what is under a collapsed row is not shown, at any depth", () => {
  const tree = buildSpanTree(family);
  const collapsed = none(tree);
  collapsed[1] = 1;
  assert.deepEqual([...visibleRows(tree, collapsed)], [0, 3, 4, 1]);
  collapsed[0] = 1;
  assert.deepEqual([...visibleRows(tree, collapsed)], [0]);
});

test("errors inside are counted without the row's own", () => {
  const tree = buildSpanTree(family);
  assert.equal(errorsBelow(tree, 0), 2);
  assert.equal(errorsBelow(tree, 3), 1);
  assert.equal(errorsBelow(tree, 4), 0);
});

test("spans whose parent is missing hang under one ghost that covers their time", () => {
  const tree = buildSpanTree(
    columns([
      { parent: -1, start: 0, duration: 100 },
      { parent: -2, start: 30, duration: 20 },
      { parent: -2, start: 10, duration: 5 },
      { parent: 1, start: 35, duration: 5, error: 1 },
    ]),
  );
  assert.equal(tree.ghost, 4);
  assert.deepEqual([...tree.order], [0, 4, 2, 1, 3]);
  assert.equal(tree.startUs[4], 10);
  assert.equal(tree.durationUs[4], 40);
  assert.equal(errorsBelow(tree, 4), 1);
  assert.deepEqual([...tree.depth], [0, 1, 1, 2, 0]);
});

test("a circle of parents, a span that is its own, and a row out of range end under the ghost, each once", () => {
  const tree = buildSpanTree(
    columns([
      { parent: 1, start: 0, duration: 10 },
      { parent: 2, start: 1, duration: 10 },
      { parent: 0, start: 2, duration: 10 },
      { parent: 3, start: 3, duration: 10 },
      { parent: 99, start: 4, duration: 10 },
      { parent: 2, start: 5, duration: 10 },
    ]),
  );
  assert.equal(tree.order.length, 7);
  assert.deepEqual([...tree.order].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(tree.order[0], tree.ghost);
  assert.equal(countBelow(tree, tree.ghost), 6);
});

test("a trace without a span is an empty tree", () => {
  const tree = buildSpanTree(columns([]));
  assert.equal(tree.size, 0);
  assert.equal(visibleRows(tree, none(tree)).length, 0);
  assert.equal(
    nextMarked(tree, -1, 1, () => true),
    -1,
  );
});

test("a span that starts before the trace or outlives it widens the axis", () => {
  const tree = buildSpanTree(
    columns([
      { parent: -1, start: 0, duration: 100 },
      { parent: 0, start: -20, duration: 500 },
    ]),
  );
  assert.equal(tree.fromUs, -20);
  assert.equal(tree.toUs, 480);
});

test("a client knows the service that answered; a call within one service has no peer", () => {
  const tree = buildSpanTree(
    columns([
      { parent: -1, start: 0, duration: 100, kind: 2 },
      { parent: 0, start: 1, duration: 50, kind: 3 },
      { parent: 1, start: 2, duration: 40, kind: 2, service: 1 },
      { parent: 0, start: 60, duration: 20, kind: 3 },
      { parent: 3, start: 61, duration: 10, kind: 2 },
      { parent: 2, start: 5, duration: 1, kind: 4, service: 1 },
      { parent: 5, start: 7, duration: 1, kind: 5, service: 2 },
    ]),
  );
  assert.deepEqual([...tree.peer], [-1, 1, -1, -1, -1, 2, -1]);
});

test("self time leaves out what children cover, once where they overlap, and nothing outside the span", () => {
  const tree = buildSpanTree(family);
  // 3 covers 10-50 and 1 covers 40-90 of 0-100.
  assert.equal(selfTimeUs(tree, 0), 20);
  // 5 covers 45-65 and 2 covers 60-80 of 40-90.
  assert.equal(selfTimeUs(tree, 1), 15);
  assert.equal(selfTimeUs(tree, 4), 10);
  const late = buildSpanTree(
    columns([
      { parent: -1, start: 0, duration: 100 },
      { parent: 0, start: 80, duration: 500 },
    ]),
  );
  assert.equal(selfTimeUs(late, 0), 80);
});

test("the next marked row is searched in the order on screen, and round the end", () => {
  const tree = buildSpanTree(family);
  const isError = (node: number): boolean => family.spans.error[node] === 1;
  assert.equal(nextMarked(tree, -1, 1, isError), 4);
  assert.equal(nextMarked(tree, 4, 1, isError), 2);
  assert.equal(nextMarked(tree, 2, 1, isError), 4);
  assert.equal(nextMarked(tree, 4, -1, isError), 2);
  assert.equal(nextMarked(tree, -1, -1, isError), 2);
  assert.equal(
    nextMarked(tree, 0, 1, () => false),
    -1,
  );
});

test("only matches: they and what is above them", () => {
  const tree = buildSpanTree(family);
  const marked = none(tree);
  marked[4] = 1;
  assert.deepEqual([...visibleRows(tree, none(tree), withAncestors(tree, marked))], [0, 3, 4]);
});

test("a query finds by word, service, kind, duration and error, and all its terms must hold", () => {
  const tree = buildSpanTree(
    columns([
      { parent: -1, start: 0, duration: 20_000, kind: 2 },
      { parent: 0, start: 1, duration: 9_000, kind: 3 },
      { parent: 1, start: 2, duration: 8_000, kind: 2, service: 1, error: 1 },
      { parent: -2, start: 3, duration: 500, kind: 3, service: 1 },
    ]),
  );
  const found = (query: string): number[] =>
    [...findSpans(tree, query).marked].flatMap((mark, node) => (mark === 1 ? [node] : []));
  assert.deepEqual(found("select"), [1, 3]);
  assert.deepEqual(found("MESSAGE"), [2, 3]);
  assert.deepEqual(found("service:user"), [0, 1]);
  assert.deepEqual(found("kind:client"), [1, 3]);
  assert.deepEqual(found(">8ms"), [0, 1, 2]);
  assert.deepEqual(found("duration>=8ms"), [0, 1, 2]);
  assert.deepEqual(found("<1ms"), [3]);
  assert.deepEqual(found("error"), [2]);
  assert.deepEqual(found("service:message -error"), [3]);
  assert.deepEqual(found("operation:users kind:server"), [0, 2]);
  assert.deepEqual(found("span3"), [3]);
  assert.deepEqual(found("nothing like it"), []);
  assert.deepEqual(found("  "), []);
  assert.equal(findSpans(tree, "select").count, 2);
});
