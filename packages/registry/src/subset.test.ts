import assert from "node:assert/strict";
import { test } from "node:test";
import { fnv1a32, mix32 } from "./hash.ts";
import { pickSubset } from "./subset.ts";

const membersOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `user-${index}`);
const same = (text: string): string => text;

test("FNV-1a by its published vectors", () => {
  assert.equal(fnv1a32(""), 0x811c9dc5);
  assert.equal(fnv1a32("a"), 0xe40c292c);
  assert.equal(fnv1a32("foobar"), 0xbf9cf968);
});

test("MurmurHash3's finalizer by its published vectors", () => {
  assert.equal(mix32(0), 0);
  assert.equal(mix32(1), 0x514e28b7);
});

test("no more members than wanted are all of them, as they are", () => {
  const members = membersOf(25);
  assert.equal(pickSubset("me", members, same, 25), members);
});

test("a subset follows its key around the ring", () => {
  const members = membersOf(4);
  // The ring written out: every place of every member, the first one behind the key and those after it.
  const places = members
    .flatMap((name) => Array.from({ length: 160 }, (_, place) => ({ name, hash: fnv1a32(`${place}${name}`) })))
    .sort((a, b) => a.hash - b.hash);
  for (const key of ["a", "b", "c", "d8f1", "client-7"]) {
    const behind = places.filter(({ hash }) => hash > fnv1a32(key));
    const names = [...new Set([...behind, ...places].map(({ name }) => name))].slice(0, 2);
    assert.deepEqual(pickSubset(key, members, same, 2), names);
  }
});

test("the subsets that Go's github.com/go-kratos/aegis/subset v0.2.0 picks", () => {
  const hex = (index: number): string => (Math.imul(index, 2654435761) >>> 0).toString(16).padStart(8, "0");
  const members = Array.from({ length: 40 }, (_, index) => `user-${hex(index)}-größe`);
  const pick = (key: string): string =>
    pickSubset(key, members, same, 7)
      .map((name) => name.split("-")[1])
      .join(" ");
  assert.equal(pick(""), "b54cda26 fa8cfb85 daa66d13 36fbeee7 be1e0823 035e2982 cc623a9b");
  assert.equal(pick("client-1"), "b54cda26 035e2982 736ae249 538453d7 08d12dfd 6526afd1 e3779b10");
  assert.equal(
    pick("5f0c6a0e-7d1e-4c6b-9a55-0b8f9f3b2a11"),
    "be1e0823 736ae249 daa66d13 17156075 3fcd1ce4 4e114f5c 6526afd1",
  );
});

test("the same key has the same subset whatever the order; another key has another", () => {
  const members = membersOf(100);
  const subset = pickSubset("me", members, same, 25);
  assert.equal(new Set(subset).size, 25);
  assert.deepEqual(pickSubset("me", members.toReversed(), same, 25), subset);
  assert.notDeepEqual(pickSubset("you", members, same, 25), subset);
});

test("one member that leaves changes at most one place in the subset", () => {
  const members = membersOf(100);
  const before = pickSubset("me", members, same, 25);
  for (const gone of before) {
    const after = pickSubset(
      "me",
      members.filter((name) => name !== gone),
      same,
      25,
    );
    assert.equal(after.filter((name) => !before.includes(name)).length, 1);
  }
});

test("over many clients every member gets its share", () => {
  const counts = new Map<string, number>();
  for (let client = 0; client < 400; client++) {
    for (const name of pickSubset(`client ${client} ${mix32(client)}`, membersOf(20), same, 5)) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  // 100 each; a ring of 160 places is no better than within a third or so.
  assert.equal(counts.size, 20);
  for (const count of counts.values()) assert.ok(count > 50 && count < 160, String([...counts.values()]));
});
