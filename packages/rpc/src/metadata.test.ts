import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Metadata } from "./metadata.ts";

test("names are found in any case and kept in lower case", () => {
  const metadata = new Metadata({ "X-Request-Id": "7" });
  assert.equal(metadata.get("x-request-ID"), "7");
  assert.deepEqual(metadata.keys(), ["x-request-id"]);
});

test("a name keeps all its values in order; get gives the first", () => {
  const metadata = new Metadata([
    ["a", "1"],
    ["b", "x"],
    ["A", "2"],
  ]);
  metadata.append("a", "3");
  assert.equal(metadata.get("a"), "1");
  assert.deepEqual(metadata.getAll("a"), ["1", "2", "3"]);
  assert.deepEqual(
    [...metadata],
    [
      ["a", "1"],
      ["a", "2"],
      ["a", "3"],
      ["b", "x"],
    ],
  );
});

test("set replaces all values, delete takes them away", () => {
  const metadata = new Metadata({ a: ["1", "2"], b: "3" });
  metadata.set("A", "4");
  metadata.delete("B");
  assert.deepEqual([...metadata], [["a", "4"]]);
  assert.equal(metadata.has("b"), false);
  assert.deepEqual(metadata.getAll("b"), []);
});

test("adopted headers are read without being copied", () => {
  const headers = { host: "x", "set-cookie": ["a=1", "b=2"] };
  const metadata = Metadata.adopt(headers);
  assert.equal(metadata.get("Host"), "x");
  assert.deepEqual(metadata.getAll("set-cookie"), ["a=1", "b=2"]);
  assert.equal(metadata.record, headers);
});

test("names of Object.prototype are no headers", () => {
  assert.equal(new Metadata().get("constructor"), undefined);
  assert.equal(new Metadata().has("__proto__"), false);
  assert.equal(Metadata.adopt({}).get("constructor"), undefined);
});

describe("headers as they came", () => {
  const pairs = ["Accept", "*/*", "X-Md-Global-Color", "red", "ACCEPT", "text/html"];
  const record = { accept: "*/*, text/html", "x-md-global-color": "red" };
  let made = 0;
  const toRecord = () => {
    made++;
    return { ...record };
  };

  test("are looked at by name without making an object of them", () => {
    made = 0;
    const metadata = Metadata.lazily({ pairs, toRecord });
    assert.equal(metadata.get("X-MD-global-color"), "red");
    assert.equal(metadata.get("x-md-local"), undefined);
    assert.equal(metadata.has("host"), false);
    assert.deepEqual(metadata.getAll("host"), []);
    assert.deepEqual([metadata.hasPrefix("x-md-"), metadata.hasPrefix("x-me-")], [true, false]);
    assert.equal(made, 0);
  });

  test("of which there are several, are joined by who knows how", () => {
    made = 0;
    const metadata = Metadata.lazily({ pairs, toRecord });
    assert.equal(metadata.get("accept"), "*/*, text/html");
    assert.equal(made, 1);
    assert.deepEqual(metadata.getAll("accept"), ["*/*, text/html"]);
    assert.equal(made, 1);
  });

  test("become an object for who wants them all, or changes one", () => {
    made = 0;
    const metadata = Metadata.lazily({ pairs, toRecord });
    metadata.set("accept", "text/plain");
    assert.deepEqual(
      [...metadata],
      [
        ["accept", "text/plain"],
        ["x-md-global-color", "red"],
      ],
    );
    assert.equal(metadata.hasPrefix("x-md-"), true);
    assert.equal(made, 1);
  });
});
