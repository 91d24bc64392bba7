import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { countBy, nodesOf, scripted, seeded, TestCall } from "../../test/fakes.ts";
import type { Node } from "../node.ts";
import type { Balancer } from "./balancer.ts";
import { consistentHash } from "./consistent-hash.ts";
import { leastRequest } from "./least-request.ts";
import { random } from "./random.ts";
import { wrr } from "./wrr.ts";

const call = new TestCall();

function pickMany(balancer: Balancer, nodes: readonly Node[], count: number): Node[] {
  return Array.from({ length: count }, () => {
    const { node, done } = balancer.pick(nodes, call);
    done?.({});
    return node;
  });
}

/** `balancer` with the nodes it was told of. */
function told<B extends Balancer>(balancer: B, nodes: readonly Node[]): B {
  balancer.update?.(nodes);
  return balancer;
}

const spell = (nodes: readonly Node[]): string => nodes.map(({ id }) => id).join("");

describe("random", () => {
  test("each node as likely as any other", () => {
    const nodes = nodesOf({ a: {}, b: { weight: "900" }, c: {}, d: {} });
    const counts = countBy(pickMany(random({ random: seeded(1) }), nodes, 40_000));
    for (const count of Object.values(counts)) assert.ok(Math.abs(count - 10_000) < 400, JSON.stringify(counts));
  });

  test("the ends of chance are the first and the last node", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {} });
    assert.equal(spell(pickMany(random({ random: scripted(0, 0.999999) }), nodes, 2)), "ac");
  });
});

describe("wrr", () => {
  const still = (): number => 0;

  test("weights of 5, 1 and 1 give a a b a c a a, again and again", () => {
    const nodes = nodesOf({ a: { weight: "5" }, b: { weight: "1" }, c: { weight: "1" } });
    assert.equal(spell(pickMany(told(wrr({ random: still }), nodes), nodes, 14)), "aabacaaaabacaa");
  });

  test("without weights it takes turns", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {} });
    assert.equal(spell(pickMany(told(wrr({ random: still }), nodes), nodes, 7)), "abcabca");
  });

  test("every round of the sum of the weights gives each node its weight, by whatever weights", () => {
    const chance = seeded(7);
    for (let round = 0; round < 50; round++) {
      const weights = Array.from({ length: 1 + Math.floor(chance() * 8) }, () => 1 + Math.floor(chance() * 20));
      const nodes = nodesOf(Object.fromEntries(weights.map((weight, index) => [`n${index}`, { weight: `${weight}` }])));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const balancer = told(wrr({ random: still }), nodes);
      for (let again = 0; again < 3; again++) {
        const counts = countBy(pickMany(balancer, nodes, total));
        assert.deepEqual(counts, Object.fromEntries(weights.map((weight, index) => [`n${index}`, weight])));
      }
    }
  });

  test("the turns of nodes that stay are kept over updates, and those of the rest go", () => {
    const before = nodesOf({ a: {}, b: {}, c: {} });
    const balancer = told(wrr({ random: still }), before);
    assert.equal(spell(pickMany(balancer, before, 1)), "a");
    // New objects of the same nodes, as every update brings them.
    const after = nodesOf({ a: {}, b: {}, d: {} });
    balancer.update?.(after);
    // The turns were -200, 100 and 100: a comes after both others. From nothing it would begin with a.
    assert.equal(spell(pickMany(balancer, after, 3)), "bda");
  });

  test("a weight that changes counts from then on", () => {
    const nodes = nodesOf({ a: {}, b: {} });
    const balancer = told(wrr({ random: still }), nodes);
    pickMany(balancer, nodes, 2);
    const heavier = nodesOf({ a: { weight: "300" }, b: {} });
    balancer.update?.(heavier);
    assert.deepEqual(countBy(pickMany(balancer, heavier, 400)), { a: 300, b: 100 });
  });

  test("a node of weight 0 gets nothing while there is another; one whose weight is none has 100", () => {
    const nodes = nodesOf({ a: { weight: "0" }, b: { weight: "many" }, c: { weight: "-1" }, d: { weight: "50" } });
    assert.deepEqual(countBy(pickMany(told(wrr({ random: still }), nodes), nodes, 250)), { b: 100, c: 100, d: 50 });
    const idle = nodesOf({ a: { weight: "0" } });
    assert.equal(spell(pickMany(told(wrr({ random: still }), idle), idle, 2)), "aa");
  });

  test("it chooses only among the candidates, in turn", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {}, d: {} });
    const balancer = told(wrr({ random: still }), nodes);
    assert.equal(spell(pickMany(balancer, nodes.slice(2), 4)), "cdcd");
  });

  test("clients do not all begin with the same node", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {}, d: {} });
    const chance = seeded(3);
    const first = Array.from({ length: 400 }, () => pickMany(told(wrr({ random: chance }), nodes), nodes, 1)[0]!);
    for (const count of Object.values(countBy(first))) assert.ok(count > 60, JSON.stringify(countBy(first)));
  });
});

describe("leastRequest", () => {
  test("the node with the fewest calls on their way", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {} });
    const balancer = leastRequest({ random: () => 0.99 });
    const open = [1, 2, 3].map(() => balancer.pick(nodes, call));
    assert.equal(spell(open.map(({ node }) => node)), "abc");
    open[1]!.done!({});
    assert.equal(balancer.pick(nodes, call).node.id, "b");
  });

  test("calls on their way stand in proportion to the weights", () => {
    const nodes = nodesOf({ a: { weight: "300" }, b: { weight: "100" }, c: { weight: "0" } });
    const balancer = leastRequest({ random: seeded(1) });
    const open = Array.from({ length: 40 }, () => balancer.pick(nodes, call).node);
    assert.deepEqual(countBy(open), { a: 30, b: 10 });
  });

  test("equals are chosen equally often", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {}, d: {} });
    const counts = countBy(pickMany(leastRequest({ random: seeded(5) }), nodes, 40_000));
    for (const count of Object.values(counts)) assert.ok(Math.abs(count - 10_000) < 400, JSON.stringify(counts));
  });
});

describe("consistentHash", () => {
  const byUser = (one: { metadata: { get(name: string): string | undefined } }): string | undefined =>
    one.metadata.get("x-user");
  const calls = Array.from({ length: 4_000 }, (_, index) => new TestCall({ "x-user": `user-${index}` }));
  const place = (nodes: readonly Node[], all: readonly Node[] = nodes): string[] => {
    const balancer = told(consistentHash({ key: byUser }), all);
    return calls.map((one) => balancer.pick(nodes, one).node.id);
  };
  const ids = Array.from({ length: 10 }, (_, index) => `node-${index}`);
  const nodes = nodesOf(Object.fromEntries(ids.map((id) => [id, {}])));

  test("the same key goes to the same node, in whatever order they are listed", () => {
    assert.deepEqual(place(nodes), place(nodes.toReversed()));
  });

  test("keys spread evenly, and by weight", () => {
    const counts = countBy(place(nodes).map((id) => nodes.find((node) => node.id === id)!));
    // 400 each; three standard deviations are 57.
    for (const id of ids) assert.ok(Math.abs(counts[id]! - 400) < 80, JSON.stringify(counts));
    const weighted = nodesOf({ a: { weight: "300" }, b: { weight: "100" } });
    const share = place(weighted).filter((id) => id === "a").length / calls.length;
    assert.ok(Math.abs(share - 0.75) < 0.03, String(share));
  });

  test("only the keys of a node that leaves move, and only to a node that comes", () => {
    const before = place(nodes);
    const without = place(nodes.filter(({ id }) => id !== "node-3"));
    for (const [index, id] of before.entries()) {
      if (id === "node-3") assert.notEqual(without[index], "node-3");
      else assert.equal(without[index], id);
    }
  });

  test("a node that is no candidate loses its keys for as long, and no other", () => {
    const before = place(nodes);
    const others = nodes.filter(({ id }) => id !== "node-3");
    assert.deepEqual(place(others, nodes), place(others));
    assert.deepEqual(place(nodes), before);
  });

  test("a call without a key goes anywhere", () => {
    const balancer = told(consistentHash({ key: byUser, random: scripted(0, 0.95) }), nodes);
    assert.deepEqual([balancer.pick(nodes, call).node.id, balancer.pick(nodes, call).node.id], ["node-0", "node-9"]);
  });
});
