import assert from "node:assert/strict";
import { it } from "node:test";
import { backoffMs } from "./backoff.ts";

it("grows from 1 s by 1.6 up to 120 s, spread by a fifth", () => {
  assert.deepEqual(
    [1, 2, 3, 100].map((failures) => Math.round(backoffMs(failures, () => 0.5))),
    [1000, 1600, 2560, 120_000],
  );
  assert.equal(
    backoffMs(1, () => 0),
    800,
  );
  assert.equal(Math.round(backoffMs(1, () => 1)), 1200);
});
