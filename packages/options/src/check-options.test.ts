import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkOptionNames,
  checkOptions,
  checkValue,
  type OptionChecks,
  optionsWith,
  pickOptions,
} from "./check-options.ts";
import { aBoolean, aText, orBoolean, wholeNumberFrom } from "./kinds.ts";
import { nearestNames } from "./nearest.ts";

interface CacheOptions {
  size?: number;
  name?: string;
  disk?: { path?: string; isShared?: boolean } | boolean;
}

const checks: OptionChecks<CacheOptions> = {
  size: wholeNumberFrom(1),
  name: aText,
  disk: orBoolean(optionsWith<{ path?: string; isShared?: boolean }>({ path: aText, isShared: aBoolean })),
};

function toError(message: string): Error {
  return Object.assign(new RangeError(message), { code: "CACHE" });
}

function messageOf(options: unknown): string {
  try {
    checkOptions("Cache", options as CacheOptions, checks, toError);
  } catch (error) {
    assert.ok(error instanceof RangeError);
    assert.equal((error as Error & { code?: string }).code, "CACHE");
    return error.message;
  }
  return "";
}

test("what is right is taken, and what is undefined is not given", () => {
  assert.equal(messageOf({}), "");
  assert.equal(messageOf({ size: 5, name: "", disk: true }), "");
  assert.equal(messageOf({ size: undefined, name: undefined, disk: { path: undefined, isShared: false } }), "");
});

test("an option that there is not", () => {
  assert.equal(
    messageOf({ size: 5, sise: 6 }),
    "Cache has no option sise; its options are size, name, disk; did you mean size?",
  );
  // Names of every object's prototype are none either.
  assert.equal(messageOf({ toString: 5 }), "Cache has no option toString; its options are size, name, disk");
  assert.equal(messageOf({ disk: { file: "a" } }), "disk has no option file; its options are path, isShared");
});

test("a function in the place of options was not called, most often", () => {
  assert.throws(() => checkOptions("recovery", (() => {}) as CacheOptions, checks, toError), {
    message:
      "the options of recovery are a function; they must be an object with any of size, name, disk; did you write `recovery` where `recovery()` is meant?",
  });
});

test("the beginning of a name is told as well", () => {
  assert.equal(messageOf({ na: 1 }), "Cache has no option na; its options are size, name, disk");
  assert.equal(messageOf({ nam: 1 }), "Cache has no option nam; its options are size, name, disk; did you mean name?");
  assert.deepEqual(nearestNames("addr", ["listener", "addressBook", "address"]), ["address", "addressBook"]);
});

test("options that are none", () => {
  const given: [unknown, string][] = [
    [undefined, "undefined"],
    [null, "null"],
    [500, "500"],
    ["large", '"large"'],
    [[], "a list"],
    [() => {}, "a function"],
  ];
  for (const [options, told] of given) {
    assert.equal(
      messageOf(options),
      `the options of Cache are ${told}; they must be an object with any of size, name, disk`,
    );
  }
});

test("a value that will not do is told with its whole path; the first one only", () => {
  assert.equal(messageOf({ size: "5" }), 'option size is "5"; it must be a whole number from 1');
  assert.equal(messageOf({ size: 0, name: 5 }), "option size is 0; it must be a whole number from 1");
  assert.equal(messageOf({ name: null }), "option name is null; it must be a string");
  assert.equal(messageOf({ disk: { path: 5 } }), "option disk.path is 5; it must be a string");
  assert.equal(messageOf({ disk: "yes" }), 'option disk is "yes"; it must be true or false');
});

test("names alone, and one value alone", () => {
  checkOptionNames("Cache", { size: "whatever" }, ["size"], toError);
  assert.throws(() => checkOptionNames("Cache", { sise: 5 }, ["size"], toError), {
    code: "CACHE",
    message: "Cache has no option sise; its options are size; did you mean size?",
  });
  assert.throws(() => checkOptionNames("Cache", "size" as unknown as object, ["size"], toError), /are "size"; they/);
  checkValue("name", "a", aText, toError);
  assert.throws(() => checkValue("name", undefined, aText, toError), {
    code: "CACHE",
    message: "option name is undefined; it must be a string",
  });
});

test("the options of one among those of several", () => {
  assert.deepEqual(pickOptions({ size: 5, port: 80, name: undefined, toString: 1 }, checks), {
    size: 5,
    name: undefined,
  });
});
