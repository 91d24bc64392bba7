import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget, resolveLimits } from "./limits.ts";

test("a budget lasts for its burst, and earns with time", () => {
  let now = 0;
  const budget = new Budget(3, 10, () => now);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => budget.spend()),
    [true, true, true, false],
  );
  now = 250;
  assert.deepEqual(
    [1, 2, 3].map(() => budget.spend()),
    [true, true, false],
  );
  now = 1_000_000;
  assert.deepEqual(
    [1, 2, 3, 4].map(() => budget.spend()),
    [true, true, true, false],
  );
});

test("what is given back can be spent again, never more than the burst", () => {
  const budget = new Budget(2, 0, () => 0);
  budget.refund();
  assert.equal(budget.spend(), true);
  budget.refund();
  assert.deepEqual(
    [1, 2, 3].map(() => budget.spend()),
    [true, true, false],
  );
});

test("limits that make no sense are coded errors", () => {
  assert.equal(resolveLimits({ resetBurst: 5 }).resetBurst, 5);
  for (const given of [-1, Number.NaN, 2 ** 40]) {
    assert.throws(() => resolveLimits({ maxPendingBytes: given }), { code: "CLEW_HTTP2_OPTION" });
  }
});
