// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this
import assert from "node:assert/strict";
import { test } from "node:test";
import { fillPlaceholders } from "./placeholder.ts";
import { isTree, mergeTrees, type Tree, type Value } from "./tree.ts";

/** The same numbers for the same seed (mulberry32). */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const keys = ["a", "b", "c", "d"];

function randomTree(random: (below: number) => number, depth: number): Tree {
  const value = (): Value => {
    const choice = random(depth > 0 ? 7 : 5);
    if (choice === 0) return null;
    if (choice === 1) return random(2) === 0;
    if (choice === 2) return random(5);
    if (choice === 3) return ["", "x", "${a}", "${d.a:z}"][random(4)]!;
    if (choice === 4) return Array.from({ length: random(3) }, () => random(3));
    return randomTree(random, depth - 1);
  };
  return Object.fromEntries(keys.filter(() => random(3) > 0).map((key) => [key, value()]));
}

/** Every path that ends in something else than a map with keys. */
function* leaves(tree: Tree, path: string[] = []): Generator<[path: string[], value: Value]> {
  for (const [key, value] of Object.entries(tree)) {
    if (isTree(value) && Object.keys(value).length > 0) yield* leaves(value, [...path, key]);
    else yield [[...path, key], value];
  }
}

function at(tree: Tree, path: readonly string[]): Value | undefined {
  let value: Value | undefined = tree;
  for (const key of path) value = isTree(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

test("merging: every leaf of the upper tree is there, of the lower one what the upper does not touch, and nothing else", () => {
  const random = createRandom(1);
  for (let n = 0; n < 500; n += 1) {
    const under = randomTree(random, 3);
    const over = randomTree(random, 3);
    const copies = structuredClone([under, over]);
    const merged = mergeTrees(under, over);
    assert.deepEqual([under, over], copies, "neither is changed");
    for (const [path, value] of leaves(over)) {
      // An empty map adds nothing to a map.
      if (isTree(value) && isTree(at(under, path))) continue;
      assert.deepEqual(at(merged, path), value, path.join("."));
    }
    for (const [path, value] of leaves(merged)) {
      // An empty map of the upper tree leaves a map of the lower one as it is.
      const upper = at(over, path);
      const lower = at(under, path);
      const isUpper = upper !== undefined && !(isTree(upper) && isTree(lower));
      assert.deepEqual(value, isUpper ? upper : lower, path.join("."));
    }
  }
});

test("merging is associative, keeps what it gets twice, and an empty tree adds nothing", () => {
  const random = createRandom(2);
  for (let n = 0; n < 500; n += 1) {
    const [a, b, c] = [randomTree(random, 3), randomTree(random, 3), randomTree(random, 3)];
    assert.deepEqual(mergeTrees(mergeTrees(a, b), b), mergeTrees(a, b));
    assert.deepEqual(mergeTrees(a, {}), a);
    assert.deepEqual(mergeTrees({}, a), a);
    // A leaf in the middle that covers a map, which the third then meets as a leaf: the only order that matters.
    if (![...leaves(b)].some(([path, value]) => !isTree(value) && isTree(at(a, path)) && isTree(at(c, path)))) {
      assert.deepEqual(mergeTrees(mergeTrees(a, b), c), mergeTrees(a, mergeTrees(b, c)));
    }
  }
});

test("filling: what has no placeholder stays as it is; once filled, filling again changes nothing", () => {
  const random = createRandom(3);
  const sources = { lookup: () => undefined, locate: () => "test" };
  let filledSome = 0;
  for (let n = 0; n < 1_000; n += 1) {
    const tree = randomTree(random, 3);
    let filled: Tree;
    try {
      filled = fillPlaceholders(tree, sources);
    } catch (error) {
      // A name that is missing, or a circle: never anything else.
      assert.equal((error as NodeJS.ErrnoException).code, "CLEW_CONFIG_PLACEHOLDER");
      continue;
    }
    assert.ok(!JSON.stringify(filled).includes("${"));
    assert.deepEqual(fillPlaceholders(filled, sources), filled);
    for (const [path, value] of leaves(tree)) {
      if (typeof value !== "string" || !value.includes("${")) assert.deepEqual(at(filled, path), value);
      else filledSome += 1;
    }
  }
  assert.ok(filledSome > 50);
});
