import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceError } from "@clew/rpc";
import { nodesOf, TestCall } from "../test/fakes.ts";
import type { Balancer } from "./balancer/balancer.ts";
import { type ConsistentHashOptions, consistentHash } from "./balancer/consistent-hash.ts";
import { wrr } from "./balancer/wrr.ts";
import type { Node } from "./node.ts";
import { byLabels, byVersion, type NodeFilter, preferZone } from "./node-filter.ts";
import type { Outcome } from "./outcome.ts";
import { Selector, type SelectorOptions } from "./selector.ts";

const call = new TestCall();
const failed: Outcome = { error: new ServiceError(503, "UNAVAILABLE", "") };

/** A selector that takes the nodes in turn. */
function selectorOf(nodes: readonly Node[], options: SelectorOptions = {}): Selector {
  const selector = new Selector({ balancer: wrr({ random: () => 0 }), ...options });
  selector.update(nodes);
  return selector;
}

const pickIds = (selector: Selector, count: number): string =>
  Array.from({ length: count }, () => {
    const { node, done } = selector.pick(call);
    done();
    return node.id;
  }).join(" ");

test("without nodes there is 503 no_available_node", () => {
  for (const selector of [new Selector(), selectorOf(nodesOf({ a: {} }), { filters: [() => []] })]) {
    assert.throws(
      () => selector.pick(call),
      (error: ServiceError) => error.code === 503 && error.reason === "no_available_node",
    );
  }
});

test("filters choose one after the other, and see the call", () => {
  const nodes = [...nodesOf({ a: { color: "red" }, b: { color: "blue" } }, "v2"), ...nodesOf({ c: { color: "blue" } })];
  assert.equal(pickIds(selectorOf(nodes, { filters: [byVersion("v2")] }), 3), "a b a");
  assert.equal(pickIds(selectorOf(nodes, { filters: [byLabels({ color: "blue" })] }), 3), "b c b");
  assert.equal(pickIds(selectorOf(nodes, { filters: [byVersion("v2"), byLabels({ color: "blue" })] }), 2), "b b");
  const byHeader: NodeFilter = (all, one) => all.filter(({ id }) => id === one.metadata.get("x-node"));
  assert.equal(selectorOf(nodes, { filters: [byHeader] }).pick(new TestCall({ "x-node": "c" })).node.id, "c");
});

test("a hash without a key is an error when it is made", () => {
  assert.throws(() => consistentHash({} as ConsistentHashOptions), {
    code: "CLEW_REGISTRY_OPTION",
    message: /option key is undefined/,
  });
});

test("calls stay in the zone while there are enough nodes in it", () => {
  const nodes = nodesOf({ a: { zone: "x" }, b: { zone: "y" }, c: { zone: "x" }, d: {} });
  const pick = (zone: string, options = {}): string =>
    pickIds(selectorOf(nodes, { filters: [preferZone(zone, options)] }), 4);
  assert.equal(pick("x"), "a c a c");
  assert.equal(pick("z"), "a b c d");
  assert.equal(pick("x", { minNodes: 3 }), "a b c d");
  assert.equal(pick("x", { minPercent: 50 }), "a c a c");
  assert.equal(pick("x", { minPercent: 51 }), "a b c d");
  assert.equal(pick("y", { label: "region" }), "a b c d");
  assert.throws(() => preferZone("x", { minPercent: 101 }), { code: "CLEW_REGISTRY_OPTION" });
});

test("a node that fails is ejected, and the zone's calls go elsewhere when nobody is left in it", () => {
  const clock = { now: 0 };
  const selector = selectorOf(nodesOf({ near: { zone: "x" }, far: { zone: "y" }, other: { zone: "y" } }), {
    filters: [preferZone("x")],
    now: () => clock.now,
  });
  for (let time = 0; time < 5; time++) {
    const { node, done } = selector.pick(call);
    assert.equal(node.id, "near");
    done(failed);
  }
  assert.equal(pickIds(selector, 2), "far other");
  clock.now = 30_000;
  assert.equal(pickIds(selector, 2), "near near");
});

test("an ejected node is better than none that the filters take", () => {
  const selector = selectorOf([...nodesOf({ a: {} }, "v2"), ...nodesOf({ b: {}, c: {} })], {
    filters: [byVersion("v2")],
  });
  for (let time = 0; time < 7; time++) {
    const { node, done } = selector.pick(call);
    assert.equal(node.id, "a");
    done(failed);
  }
});

test("with ejection off a node that fails stays", () => {
  const selector = selectorOf(nodesOf({ a: {}, b: {} }), { ejection: false });
  for (let time = 0; time < 20; time++) selector.pick(call).done(failed);
  assert.equal(pickIds(selector, 2), "a b");
});

test("a call that is repeated goes to a node it has not tried, while there is one", () => {
  const nodes = nodesOf({ a: {}, b: {}, c: {} });
  const selector = selectorOf(nodes);
  assert.equal(selector.pick(call, [nodes[0]!, nodes[1]!]).node.id, "c");
  assert.ok(selector.pick(call, nodes).node);
});

test("the balancer is told of the end once, with what it was", () => {
  const outcomes: Outcome[] = [];
  const balancer: Balancer = { pick: ([node]) => ({ node: node!, done: (outcome) => outcomes.push(outcome) }) };
  const { done } = selectorOf(nodesOf({ a: {} }), { balancer }).pick(call);
  done(failed);
  done({});
  assert.deepEqual(outcomes, [failed]);
});

test("while nothing is filtered or ejected, the balancer gets the same list at each pick", () => {
  const seen = new Set<readonly Node[]>();
  const balancer: Balancer = {
    pick(candidates) {
      seen.add(candidates);
      return { node: candidates[0]! };
    },
  };
  const selector = selectorOf(nodesOf({ a: {}, b: {} }), { balancer });
  for (let time = 0; time < 3; time++) selector.pick(call).done();
  assert.equal(seen.size, 1);
});
