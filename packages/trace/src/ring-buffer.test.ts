import assert from "node:assert/strict";
import { test } from "node:test";
import { RingBuffer } from "./ring-buffer.ts";

test("items come out in their order, over many turns of the ring", () => {
  const ring = new RingBuffer<number>(5);
  let next = 0;
  let expected = 0;
  for (let turn = 0; turn < 50; turn++) {
    for (let count = 0; count < (turn % 4) + 1; count++) if (ring.push(next)) next++;
    const items = ring.peek(3);
    for (const item of items) assert.equal(item, expected++);
    ring.remove(items.length);
  }
  assert.ok(expected > 50);
});

test("a full ring refuses", () => {
  const ring = new RingBuffer<string>(2);
  assert.deepEqual([ring.push("a"), ring.push("b"), ring.push("c")], [true, true, false]);
  assert.equal(ring.size, 2);
  assert.deepEqual(ring.peek(10), ["a", "b"]);
  ring.remove(1);
  assert.equal(ring.push("d"), true);
  assert.deepEqual(ring.peek(10), ["b", "d"]);
});

test("looking takes nothing away, and more than there is cannot be removed", () => {
  const ring = new RingBuffer<string>(3);
  ring.push("a");
  assert.deepEqual(ring.peek(1), ["a"]);
  assert.deepEqual(ring.peek(1), ["a"]);
  ring.remove(5);
  assert.equal(ring.size, 0);
  assert.deepEqual(ring.peek(1), []);
});

test("a capacity that is none is refused", () => {
  for (const capacity of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => new RingBuffer(capacity), { code: "CLEW_TRACE_CAPACITY" });
  }
});
