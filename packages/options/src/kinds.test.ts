import assert from "node:assert/strict";
import { test } from "node:test";
import type { OptionCheck } from "./check-options.ts";
import {
  aBoolean,
  aFunction,
  aLogger,
  aNumber,
  anObject,
  anything,
  aText,
  having,
  kind,
  listOf,
  millisecondsFrom,
  numberAbove,
  numberFrom,
  oneOf,
  orListOf,
  recordOf,
  wholeNumberFrom,
} from "./kinds.ts";

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const nothing = (): void => {};

test("what fits, and what is said of the rest", () => {
  const cases: [OptionCheck, unknown[], [unknown, string][]][] = [
    [
      aNumber,
      [0, -1.5, nan, infinity],
      [
        ["5", '"5"; it must be a number'],
        [5n, "5; it must be a number"],
      ],
    ],
    [
      aBoolean,
      [true, false],
      [
        ["true", '"true"; it must be true or false'],
        [1, "1; it must be true or false"],
      ],
    ],
    [
      aText,
      ["", "a"],
      [
        [5, "5; it must be a string"],
        [["a"], "a list; it must be a string"],
      ],
    ],
    [aFunction, [nothing, Date], [[{}, "an object; it must be a function"]]],
    [
      anObject,
      [{}, Object.create(null)],
      [
        [null, "null; it must be an object"],
        [[], "a list; it must be an object"],
      ],
    ],
    [anything, [undefined, null, nan], []],
    [
      numberFrom(0),
      [0, 0.5, infinity],
      [
        [nan, "NaN; it must be a number from 0"],
        [-1, "-1; it must be a number from 0"],
      ],
    ],
    [
      numberFrom(0, 1),
      [0, 0.5, 1],
      [
        [1.1, "1.1; it must be a number from 0 to 1"],
        ["1", '"1"; it must be a number from 0 to 1'],
      ],
    ],
    [
      numberAbove(0),
      [0.1, infinity],
      [
        [0, "0; it must be a number above 0"],
        [nan, "NaN; it must be a number above 0"],
        ["1", '"1"; it must be a number above 0'],
      ],
    ],
    [numberAbove(0, 1), [0.1, 1], [[1.1, "1.1; it must be a number above 0, at most 1"]]],
    [
      wholeNumberFrom(1),
      [1, 2 ** 40],
      [
        [0, "0; it must be a whole number from 1"],
        [1.5, "1.5; it must be a whole number from 1"],
        [infinity, "Infinity; it must be a whole number from 1"],
        [nan, "NaN; it must be a whole number from 1"],
      ],
    ],
    [wholeNumberFrom(-1, 9), [-1, 9], [[10, "10; it must be a whole number from -1 to 9"]]],
    [
      millisecondsFrom(1),
      [1, 1.5, 2 ** 31 - 1],
      [
        [0, "0; it must be a number of milliseconds from 1 to 2147483647"],
        [2 ** 31, "2147483648; it must be a number of milliseconds from 1 to 2147483647"],
        [nan, "NaN; it must be a number of milliseconds from 1 to 2147483647"],
      ],
    ],
    [
      oneOf("a", "b", "c"),
      ["a", "c"],
      [
        ["d", '"d"; it must be "a", "b" or "c"'],
        [undefined, 'undefined; it must be "a", "b" or "c"'],
      ],
    ],
    [oneOf("a"), ["a"], [[5, '5; it must be "a"']]],
    [
      having("a door", "open", "close"),
      [{ open: nothing, close: nothing }, Object.assign(() => {}, { open: nothing, close: nothing })],
      [
        [{ open: nothing }, "an object; it must be a door, which has open(), close()"],
        [null, "null; it must be a door, which has open(), close()"],
      ],
    ],
    [aLogger, [console], [["stdout", '"stdout"; it must be a logger, which has info(), warn(), error()']]],
    [kind("even", (given) => Number(given) % 2 === 0), [2], [[3, "3; it must be even"]]],
  ];
  for (const [check, fitting, wrong] of cases) {
    for (const given of fitting) assert.equal(check("x", given), undefined);
    for (const [given, said] of wrong) assert.equal(check("x", given), `option x is ${said}`);
  }
});

test("what holds others tells which of them", () => {
  const texts = listOf("a list of strings", aText);
  assert.equal(texts("x", []), undefined);
  assert.equal(texts("x", ["a", "b"]), undefined);
  assert.equal(texts("x", "a"), 'option x is "a"; it must be a list of strings');
  assert.equal(texts("x", ["a", undefined, 5]), "option x[1] is undefined; it must be a string");
  const textsByName = recordOf("texts by name", texts);
  assert.equal(textsByName("x", { a: ["b"] }), undefined);
  assert.equal(textsByName("x", [["b"]]), "option x is a list; it must be texts by name");
  assert.equal(textsByName("x", { a: ["b"], c: [5] }), 'option x["c"][0] is 5; it must be a string');
  const oneOrMany = orListOf(
    kind("a string, or a list of strings", (given) => typeof given === "string"),
    texts,
  );
  assert.equal(oneOrMany("x", "a"), undefined);
  assert.equal(oneOrMany("x", ["a"]), undefined);
  assert.equal(oneOrMany("x", 5), "option x is 5; it must be a string, or a list of strings");
  assert.equal(oneOrMany("x", [5]), "option x[0] is 5; it must be a string");
});

test("a text that was given is told in part", () => {
  assert.equal(aNumber("x", "a".repeat(500)), `option x is "${"a".repeat(100)}..."; it must be a number`);
});
