import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenSet } from "./open-set.ts";

test("it holds what was added and not removed, whatever the order", () => {
  const open = new OpenSet<string>();
  const a = open.add("a");
  const b = open.add("b");
  const c = open.add("c");
  open.remove(b);
  assert.deepEqual([...open], ["a", "c"]);
  open.remove(a);
  const d = open.add("d");
  const e = open.add("e");
  assert.deepEqual([...open].sort(), ["c", "d", "e"]);
  assert.equal(new Set([c, d, e]).size, 3);
});

test("slots are used again: a set that turns over does not grow", () => {
  const open = new OpenSet<number>();
  let highest = 0;
  for (let i = 0; i < 10_000; i++) {
    const slots = [open.add(i), open.add(-i)];
    highest = Math.max(highest, ...slots);
    for (const slot of slots) open.remove(slot);
  }
  assert.equal(highest, 1);
  assert.deepEqual([...open], []);
});

test("a member that goes while all are told something is not told any more", () => {
  const open = new OpenSet<string>();
  open.add("a");
  const b = open.add("b");
  const told: string[] = [];
  for (const member of open) {
    told.push(member);
    if (member === "a") open.remove(b);
  }
  assert.deepEqual(told, ["a"]);
});
