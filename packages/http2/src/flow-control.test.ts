import assert from "node:assert/strict";
import { test } from "node:test";
import { ReceiveWindow } from "./flow-control.ts";

test("a window is given back by halves, and what is over it is noticed", () => {
  const window = new ReceiveWindow(100, 100);
  const clock = { roundTripMs: 0, now: () => 0 };
  assert.equal(window.receive(49), true);
  assert.equal(window.use(49, clock), 0);
  assert.equal(window.receive(51), true);
  assert.equal(window.use(1, clock), 50);
  assert.equal(window.receive(50), true);
  assert.equal(window.receive(1), false);
});

test("a window that the peer fills faster than two round trips doubles, up to its limit", () => {
  let now = 1000;
  const clock = { roundTripMs: 10, now: () => now };
  const window = new ReceiveWindow(100, 300);
  const step = (ms: number): number => {
    now += ms;
    const half = window.size >> 1;
    window.receive(half);
    return window.use(half, clock);
  };
  assert.equal(step(0), 50);
  assert.equal(step(5), 150); // 50 back, and 100 more.
  assert.equal(step(50), 100); // Slow enough: it stays.
  assert.equal(step(5), 200); // 100 back, and 100 more: the limit.
  assert.equal(step(5), 150);
  assert.equal(window.size, 300);
});
