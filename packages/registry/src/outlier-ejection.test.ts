import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceError } from "@clew/rpc";
import { nodesOf } from "../test/fakes.ts";
import type { Node } from "./node.ts";
import type { Outcome } from "./outcome.ts";
import { OutlierEjection, type OutlierEjectionOptions } from "./outlier-ejection.ts";
import { Selector } from "./selector.ts";

const failed: Outcome = { error: new ServiceError(503, "UNAVAILABLE", "") };
const refused: Outcome = { error: new ServiceError(403, "FORBIDDEN", "") };

/** An ejection over so many nodes, n0, n1 and so on, on a clock of its own. */
function start(count: number, options: OutlierEjectionOptions = {}) {
  const clock = { now: 0 };
  const told: string[] = [];
  const onEject = (node: Node, why: string, forMs: number): void => void told.push(`${node.id}: ${why}, ${forMs}`);
  const ejection = new OutlierEjection({ onEject, ...options }, () => clock.now);
  const nodes = nodesOf(Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, {}])));
  ejection.update(nodes);
  return {
    clock,
    told,
    ejection,
    nodes,
    fail(index: number, times = 5) {
      for (let time = 0; time < times; time++) ejection.report(nodes[index]!, failed);
    },
    accepted: () =>
      ejection
        .accepted()
        .map(({ id }) => id)
        .join(" "),
  };
}

test("five failures in a row eject a node for 30 s; anything else in between begins anew", () => {
  const { clock, told, ejection, nodes, fail, accepted } = start(3);
  fail(0, 4);
  ejection.report(nodes[0]!, refused);
  fail(0, 4);
  assert.equal(accepted(), "n0 n1 n2");
  fail(0, 1);
  assert.equal(accepted(), "n1 n2");
  assert.deepEqual(told, ["n0: 5 failures in a row, 30000"]);
  clock.now = 29_999;
  assert.equal(accepted(), "n1 n2");
  clock.now = 30_000;
  assert.equal(accepted(), "n0 n1 n2");
});

test("each ejection in a row lasts longer, up to the longest; intervals without make it shorter again", () => {
  const { clock, told, fail, accepted } = start(4, { maxEjectionMs: 80_000, successRateDeviations: 0 });
  const durations = (): string =>
    told
      .splice(0)
      .map((line) => line.split(", ")[1])
      .join();
  for (const until of [30_000, 90_000, 170_000]) {
    fail(0);
    clock.now = until;
    accepted();
  }
  assert.equal(durations(), "30000,60000,80000");
  // The interval that ends with the return sees it still ejected; these three see it well.
  for (let interval = 0; interval < 3; interval++) {
    clock.now += 10_000;
    accepted();
  }
  fail(0);
  assert.equal(durations(), "30000");
});

test("while nothing changes, the list of the accepted is the same object", () => {
  const { ejection, fail, nodes } = start(3);
  assert.equal(ejection.accepted(), nodes);
  fail(0);
  const accepted = ejection.accepted();
  assert.equal(ejection.accepted(), accepted);
});

test("no more than half are ejected at once, and never the last", () => {
  const many = start(5);
  for (let index = 0; index < 5; index++) many.fail(index);
  assert.equal(many.accepted(), "n2 n3 n4");
  const two = start(2, { maxEjectionPercent: 10 });
  two.fail(0);
  two.fail(1);
  assert.equal(two.accepted(), "n1");
  const one = start(1, { maxEjectionPercent: 100 });
  one.fail(0, 100);
  assert.equal(one.accepted(), "n0");
  const none = start(5, { maxEjectionPercent: 0 });
  none.fail(0, 100);
  assert.equal(none.accepted(), "n0 n1 n2 n3 n4");
});

test("what calls from before the ejection tell does not count", () => {
  const { clock, told, fail } = start(3);
  fail(0, 20);
  clock.now = 1_000;
  fail(0, 20);
  assert.equal(told.length, 1);
});

test("a success rate far below the others ejects at the end of the interval", () => {
  const { clock, told, ejection, nodes, accepted } = start(6);
  for (const [index, node] of nodes.entries()) {
    for (let call = 0; call < 100; call++) {
      // A third of n5's calls fail, never five in a row.
      ejection.report(node, index === 5 && call % 3 === 0 ? failed : {});
    }
  }
  assert.equal(accepted(), "n0 n1 n2 n3 n4 n5");
  clock.now = 10_000;
  assert.equal(accepted(), "n0 n1 n2 n3 n4");
  assert.deepEqual(told, ["n5: 66 of 100 calls succeeded, far fewer than on other nodes, 30000"]);
});

test("the threshold is the mean less 1.9 standard deviations", () => {
  // Rates of 100, 100, 100, 100 and x: x is ejected when it lies below m - 1.9 s. With one outlier among five it lies 2 s below,
  // however small the difference; with two equal ones 1.22.
  const run = (rates: readonly number[]): string => {
    const { clock, ejection, nodes, accepted } = start(rates.length, { consecutiveFailures: 0 });
    for (const [index, rate] of rates.entries()) {
      for (let call = 0; call < 100; call++) ejection.report(nodes[index]!, call < rate ? {} : failed);
    }
    clock.now = 10_000;
    return accepted();
  };
  assert.equal(run([100, 100, 100, 100, 50]), "n0 n1 n2 n3");
  assert.equal(run([100, 100, 100, 50, 50]), "n0 n1 n2 n3 n4");
});

test("too few nodes or calls to compare eject nobody", () => {
  const report = (count: number, calls: number): string => {
    const { clock, ejection, nodes, accepted } = start(count, { consecutiveFailures: 0 });
    for (const [index, node] of nodes.entries()) {
      for (let call = 0; call < calls; call++) ejection.report(node, index === 0 ? failed : {});
    }
    clock.now = 10_000;
    return accepted();
  };
  assert.equal(report(4, 200), "n0 n1 n2 n3");
  assert.equal(report(6, 99), "n0 n1 n2 n3 n4 n5");
  assert.equal(report(6, 100), "n1 n2 n3 n4 n5");
});

test("an ejected node that leaves makes room, and one that stays stays ejected", () => {
  const { ejection, fail, nodes } = start(4);
  fail(0);
  fail(1);
  ejection.update(nodesOf({ n1: {}, n2: {}, n3: {}, n4: {} }));
  assert.deepEqual(
    ejection.accepted().map(({ id }) => id),
    ["n2", "n3", "n4"],
  );
  fail(2);
  assert.deepEqual(
    ejection.accepted().map(({ id }) => id),
    ["n3", "n4"],
  );
  ejection.report(nodes[0]!, failed);
});

test("options that cannot work are refused, each by its name", () => {
  for (const [option, value] of Object.entries({
    consecutiveFailures: -1,
    intervalMs: 0,
    baseEjectionMs: 0,
    maxEjectionMs: Number.NaN,
    maxEjectionPercent: 101,
    successRateDeviations: -1,
    successRateMinNodes: 0,
    successRateMinCalls: 0,
  })) {
    assert.throws(() => new Selector({ ejection: { [option]: value } }), {
      code: "CLEW_REGISTRY_OPTION",
      message: new RegExp(`^option ejection.${option} is ${value}`),
    });
  }
});
