import assert from "node:assert/strict";
import { test } from "node:test";
import { PingPolicy } from "./ping-policy.ts";

const hour = 3_600_000;

test("the third early ping is one too many", () => {
  const policy = new PingPolicy({ minIntervalMs: 1000, withoutCalls: false });
  assert.deepEqual(
    [0, 10, 20, 30].map((now) => policy.isTooMany(now, 1, 0)),
    [false, false, false, true],
  );
});

test("pings that leave the time between them that is asked for are never too many", () => {
  const policy = new PingPolicy({ minIntervalMs: 1000, withoutCalls: false });
  for (let i = 0; i < 20; i++) assert.equal(policy.isTooMany(i * 1000, 1, i * 17), false);
});

test("without a call two hours have to be between them, unless it is allowed", () => {
  const strict = new PingPolicy({ minIntervalMs: 1000, withoutCalls: false });
  assert.deepEqual(
    [0, hour, 2 * hour, 3 * hour].map((now) => strict.isTooMany(now, 0, 0)),
    [false, false, false, true],
  );
  const patient = new PingPolicy({ minIntervalMs: 1000, withoutCalls: true });
  for (let i = 0; i < 20; i++) assert.equal(patient.isTooMany(i * 1000, 0, 0), false);
});

test("a ping in answer to what was sent is not counted, the answers to pings are no such thing", () => {
  const measuring = new PingPolicy({ minIntervalMs: 1000, withoutCalls: false });
  let written = 0;
  for (let i = 0; i < 20; i++) {
    // A message, and the answer to the ping before.
    written += 16 + 17;
    assert.equal(measuring.isTooMany(i, 1, written), false);
  }
  const asking = new PingPolicy({ minIntervalMs: 1000, withoutCalls: false });
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => asking.isTooMany(i, 1, i * 17)),
    [false, false, false, true],
  );
});
