import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ServiceError } from "@clew/rpc";
import { countBy, nodesOf, scripted, seeded, TestCall } from "../../test/fakes.ts";
import type { Outcome } from "../outcome.ts";
import { EwmaLoad } from "./ewma-load.ts";
import { p2c } from "./p2c.ts";

const call = new TestCall();
const failed: Outcome = { error: new ServiceError(503, "UNAVAILABLE", "") };

/** Two numbers that agree in all but the last digits. */
function assertClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= Math.abs(expected) * 1e-12, `${actual} is not ${expected}`);
}

describe("the EWMA of a node", () => {
  test("the weight of one sample: success * 10_000 / (sqrt(lag + 5 ms) * (calls + 1))", () => {
    const load = new EwmaLoad(0);
    load.begin(0)(10, {});
    assert.equal(load.lagNs, 10e6);
    assertClose(load.weight(10, 0), (1000 * 10_000) / Math.sqrt(10e6 + 5e6));
    // Three on their way: the load is four times as high.
    for (let index = 0; index < 3; index++) load.begin(20);
    assertClose(load.weight(20, 0), (1000 * 10_000) / (Math.sqrt(15e6) * 4));
  });

  test("every sample fades with exp(-time / 600 ms), by a sequence from a seed", () => {
    const chance = seeded(42);
    const load = new EwmaLoad(0);
    let now = 0;
    let endedAt = 0;
    let lag: number | undefined;
    let success = 1000;
    for (let index = 0; index < 200; index++) {
      now += chance() * 500;
      const startedAt = now;
      const end = load.begin(now);
      now += 1 + chance() * 300;
      const isFailure = chance() < 0.3;
      end(now, isFailure ? failed : {});
      const w = lag === undefined ? 0 : Math.exp(-(now - endedAt) / 600);
      lag = (lag ?? 0) * w + (now - startedAt) * 1e6 * (1 - w);
      success = success * w + (isFailure ? 0 : 1000) * (1 - w);
      endedAt = now;
      assertClose(load.lagNs!, lag);
      now += 6; // past the cache
      assertClose(load.weight(now, 0), (success * 10_000) / Math.sqrt(lag + 5e6));
    }
  });

  test("a weight is good for 5 ms", () => {
    const load = new EwmaLoad(0);
    load.begin(0)(10, {});
    const weight = load.weight(10, 0);
    load.begin(11);
    assert.equal(load.weight(15, 0), weight);
    assert.ok(load.weight(15.1, 0) < weight);
  });

  test("when more than half of the calls on their way are older than the lag, their age counts", () => {
    const load = new EwmaLoad(0);
    load.begin(0)(10, {});
    load.begin(100);
    load.begin(100);
    load.begin(199);
    // Of three, two are 100 ms old.
    assertClose(load.weight(200, 0), (1000 * 10_000) / (Math.sqrt(100e6 + 5e6) * 4));
    load.begin(201);
    // Two of four are no majority.
    assertClose(load.weight(206, 0), (1000 * 10_000) / (Math.sqrt(10e6 + 5e6) * 5));
  });

  test("no more than 200 calls on their way are looked at", () => {
    const load = new EwmaLoad(0);
    load.begin(0)(10, {});
    for (let index = 0; index < 200; index++) load.begin(1000);
    for (let index = 0; index < 300; index++) load.begin(0);
    assertClose(load.weight(1000, 0), (1000 * 10_000) / (Math.sqrt(15e6) * 501));
  });

  test("only what speaks against the node is a failure", () => {
    const outcomes: [unknown, boolean][] = [
      [undefined, false],
      [new ServiceError(404, "USER_NOT_FOUND", ""), false],
      [new ServiceError(500, "UNKNOWN", ""), false],
      [new ServiceError(429, "RATELIMIT", ""), false],
      [new ServiceError(499, "CLIENT_CLOSED", ""), false],
      [new ServiceError(502, "CODEC", ""), true],
      [new ServiceError(503, "UNAVAILABLE", ""), true],
      [new ServiceError(504, "GATEWAY_TIMEOUT", ""), true],
      [new Error("ECONNRESET"), true],
    ];
    for (const [error, isFailure] of outcomes) {
      const load = new EwmaLoad(0);
      load.begin(0)(10, { error });
      assert.equal(load.weight(10, 0) === 0, isFailure, String(error));
    }
  });

  test("an end that is told twice counts once", () => {
    const load = new EwmaLoad(0);
    const end = load.begin(0);
    end(10, {});
    end(1000, failed);
    assert.equal(load.lagNs, 10e6);
    assertClose(load.weight(1000, 0), (1000 * 10_000) / Math.sqrt(15e6));
  });
});

describe("p2c", () => {
  /** A balancer over nodes that answer after so many milliseconds, on a clock of its own. */
  function simulate(latencies: Record<string, number>, options: { seed?: number; slowStartMs?: number } = {}) {
    let now = 0;
    const nodes = nodesOf(Object.fromEntries(Object.keys(latencies).map((id) => [id, {}])));
    const balancer = p2c({ ...options, random: seeded(options.seed ?? 1), now: () => now });
    balancer.update!(nodes);
    return {
      balancer,
      nodes,
      advance: (ms: number) => {
        now += ms;
      },
      /** So many calls, one every `everyMs`, each ending in its time. */
      run(count: number, everyMs: number, list = nodes) {
        const picked = [];
        const open: { endsAt: number; end: () => void }[] = [];
        for (let index = 0; index < count; index++) {
          now += everyMs;
          for (const one of open.splice(0)) {
            if (one.endsAt <= now) one.end();
            else open.push(one);
          }
          const { node, done } = balancer.pick(list, call);
          picked.push(node);
          open.push({ endsAt: now + latencies[node.id]!, end: () => done!({}) });
        }
        for (const one of open) one.end();
        return countBy(picked);
      },
    };
  }

  test("nodes that do equally well get equally much", () => {
    const counts = simulate({ a: 10, b: 10, c: 10, d: 10 }).run(20_000, 1);
    for (const count of Object.values(counts)) assert.ok(Math.abs(count - 5_000) < 500, JSON.stringify(counts));
  });

  test("a slow node gets less, but never nothing", () => {
    const counts = simulate({ fast: 5, slow: 200, other: 5 }).run(20_000, 1);
    assert.ok(counts.slow! < 2_000, JSON.stringify(counts));
    // 20 s, and one pick at the least every three.
    assert.ok(counts.slow! >= 6, JSON.stringify(counts));
  });

  test("a node that loses is picked when it was not for more than 3 s", () => {
    let now = 0;
    const nodes = nodesOf({ good: {}, bad: {} });
    const balancer = p2c({ random: () => 0, now: () => now });
    balancer.update!(nodes);
    const picks = (): string => {
      const { node, done } = balancer.pick(nodes, call);
      done!(node.id === "bad" ? failed : {});
      return node.id;
    };
    // The pair of chance 0 is [good, bad]; bad fails its first call and has no weight from then on.
    balancer.pick(nodes.slice(1), call).done!(failed);
    now = 3_000;
    assert.equal(picks(), "good");
    now = 3_001;
    assert.deepEqual([picks(), picks()], ["bad", "good"]);
    now = 6_001;
    assert.equal(picks(), "good");
    now = 6_002;
    assert.equal(picks(), "bad");
  });

  test("of two that are equal the first by chance is taken; the second is never the same node", () => {
    const nodes = nodesOf({ a: {}, b: {}, c: {} });
    const balancer = p2c({ random: scripted(0.5, 0.5, 0.99, 0.99), now: () => 0 });
    balancer.update!(nodes);
    assert.equal(balancer.pick(nodes, call).node.id, "b");
    assert.equal(balancer.pick(nodes, call).node.id, "c");
  });

  test("a higher weight of its own makes a node better", () => {
    const nodes = nodesOf({ a: {}, b: { weight: "200" } });
    const balancer = p2c({ random: () => 0, now: () => 0 });
    balancer.update!(nodes);
    assert.equal(balancer.pick(nodes, call).node.id, "b");
  });

  test("what is known of a node is kept over updates", () => {
    const { balancer, nodes, run } = simulate({ fast: 5, slow: 500 });
    run(1_000, 2);
    // New objects for the same nodes, as from a registry.
    const again = nodesOf({ fast: {}, slow: {} });
    balancer.update!(again);
    const counts = run(200, 2, again);
    assert.ok((counts.slow ?? 0) <= 10, JSON.stringify(counts));
    assert.equal(nodes.length, 2);
  });

  test("what is known of a node is kept when others come and go", () => {
    const nodes = nodesOf({ bad: {}, good: {}, gone: {} });
    const balancer = p2c({ random: () => 0, now: () => 0 });
    balancer.update!(nodes);
    balancer.pick(nodes.slice(0, 1), call).done!(failed);
    const after = nodesOf({ bad: {}, good: {}, new: {} });
    balancer.update!(after);
    // The pair of chance 0 is the first two.
    assert.equal(balancer.pick(after, call).node.id, "good");
  });

  test("a node that joins starts slowly and ends with its share", () => {
    const { balancer, run } = simulate({ a: 10, b: 10, c: 10, late: 10 });
    const old = nodesOf({ a: {}, b: {}, c: {} });
    balancer.update!(old);
    run(2_000, 1, old);
    const all = nodesOf({ a: {}, b: {}, c: {}, late: {} });
    balancer.update!(all);
    const shares = Array.from({ length: 12 }, () => (run(1_000, 1, all).late ?? 0) / 1_000);
    const shown = shares.join(" ");
    assert.ok(shares[0]! > 0 && shares[0]! < 0.1, shown);
    assert.ok(shares[4]! > shares[0]! && shares[4]! < 0.2, shown);
    assert.ok(shares[11]! > 0.18 && shares[11]! < 0.32, shown);
  });

  test("a node that is new among known ones is not starved: it is taken to be as fast as they are", () => {
    const { balancer, run } = simulate({ a: 10, b: 10, late: 10 }, { slowStartMs: 0 });
    const old = nodesOf({ a: {}, b: {} });
    balancer.update!(old);
    run(1_000, 1, old);
    const all = nodesOf({ a: {}, b: {}, late: {} });
    balancer.update!(all);
    const counts = run(3_000, 1, all);
    assert.ok(Math.abs(counts.late! - 1_000) < 250, JSON.stringify(counts));
  });

  test("one node is picked without a look at the others", () => {
    const nodes = nodesOf({ a: {} });
    assert.equal(p2c({ random: scripted() }).pick(nodes, call).node, nodes[0]);
  });

  test("an option that cannot work is refused", () => {
    assert.throws(() => p2c({ slowStartMs: -1 }), { code: "CLEW_REGISTRY_OPTION" });
  });
});
