import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AttributeValue,
  findAttribute,
  putAttribute,
  putAttributes,
  toAttributeValue,
  toName,
} from "./attributes.ts";
import { resolveSpanLimits } from "./span-limits.ts";

const limits = resolveSpanLimits({ attributes: 3, valueLength: 5 });
const all = Number.POSITIVE_INFINITY;

test("text, numbers and booleans stay what they are", () => {
  for (const value of ["", "text", 0, -1, 1.5, Number.NaN, true, false])
    assert.equal(toAttributeValue(value, all), value);
});

test("null and undefined are no value", () => {
  assert.equal(toAttributeValue(null, all), undefined);
  assert.equal(toAttributeValue(undefined, all), undefined);
});

test("lists and maps are copied, so that later changes do not show", () => {
  const given = { list: [1, "two", [3]], bytes: new Uint8Array([1, 2]) };
  const value = toAttributeValue(given, all);
  given.list.push(4);
  given.bytes[0] = 9;
  assert.deepEqual(structuredClone(value), { list: [1, "two", [3]], bytes: new Uint8Array([1, 2]) });
});

test("what JavaScript has and protobuf has not becomes the nearest thing", () => {
  const cases: [unknown, unknown][] = [
    [10n, 10n],
    [2n ** 70n, "1180591620717411303424"],
    [Symbol("s"), "Symbol(s)"],
    [() => 1, "[Function]"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Date(Number.NaN), "Invalid Date"],
    [new TypeError("broken"), "TypeError: broken"],
    [/a+/, "/a+/"],
    [new Set([1, 2]), [1, 2]],
    [new Float64Array([0.5]), [0.5]],
    [
      [undefined, null],
      [null, null],
    ],
  ];
  for (const [given, expected] of cases) assert.deepEqual(toAttributeValue(given, all), expected, String(given));
  assert.deepEqual({ ...(toAttributeValue(new Map([["a", 1]]), all) as object) }, { a: 1 });
});

test("nothing throws: cycles, getters, proxies, depth", () => {
  const cycle: Record<string, unknown> = { name: "loop" };
  cycle.self = cycle;
  assert.equal((toAttributeValue(cycle, all) as { self: string }).self, "[Circular]");

  const trap = {
    get secret(): string {
      throw new Error("no");
    },
    open: 1,
  };
  assert.deepEqual({ ...(toAttributeValue(trap, all) as object) }, { secret: "[Unreadable]", open: 1 });

  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert.equal(toAttributeValue(proxy, all), "[Unreadable]");

  let deep: unknown = "bottom";
  for (let depth = 0; depth < 100; depth++) deep = [deep];
  assert.match(JSON.stringify(toAttributeValue(deep, all)), /\[Deep\]/);
});

test("the same object twice side by side is no cycle", () => {
  const shared = [1];
  assert.deepEqual(toAttributeValue([shared, shared], all), [[1], [1]]);
});

test("a value with endless elements is cut", () => {
  function* forever(): Generator<number> {
    for (let next = 0; ; next++) yield next;
  }
  const endless = new (class extends Set<number> {
    override [Symbol.iterator](): SetIterator<number> {
      return forever() as unknown as SetIterator<number>;
    }
  })();
  assert.equal((toAttributeValue(endless, all) as unknown[]).length, 1024);
});

test("long text is cut, inside lists as well", () => {
  assert.equal(toAttributeValue("abcdefgh", 5), "abcde");
  assert.deepEqual(toAttributeValue(["abcdefgh"], 5), ["abcde"]);
});

test("a key set again has the new value, and counts once", () => {
  const target: AttributeValue[] = [];
  assert.equal(putAttribute(target, "a", 1, limits), 0);
  assert.equal(putAttribute(target, "a", 2, limits), 0);
  assert.deepEqual(target, ["a", 2]);
});

test("attributes beyond the limit are counted as dropped; setting one that is there is not", () => {
  const target: AttributeValue[] = [];
  assert.equal(putAttributes(target, { a: 1, b: 2, c: 3, d: 4, e: 5 }, limits), 2);
  assert.equal(putAttribute(target, "c", 9, limits), 0);
  assert.deepEqual(target, ["a", 1, "b", 2, "c", 9]);
});

test("an empty key, a value that is none and things that are no attributes leave everything as it was", () => {
  const target: AttributeValue[] = [];
  assert.equal(putAttribute(target, "", 1, limits), 0);
  assert.equal(putAttribute(target, 7 as never, 1, limits), 0);
  assert.equal(putAttribute(target, "a", undefined, limits), 0);
  for (const given of [null, undefined, 7, "text"]) assert.equal(putAttributes(target, given, limits), 0);
  assert.deepEqual(target, []);
});

test("a value is found by its key", () => {
  assert.equal(findAttribute(["a", "b", "b", 2], "b"), 2);
  assert.equal(findAttribute(["a", "b"], "c"), undefined);
});

test("a name is text, whatever was given", () => {
  assert.equal(toName("a".repeat(20_000)).length, 16_384);
  assert.equal(toName(7), "7");
  assert.equal(toName(undefined), "undefined");
  assert.equal(toName(Object.create(null)), "[object]");
});
