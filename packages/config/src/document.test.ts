import assert from "node:assert/strict";
import { test } from "node:test";
import { createLayer, joinLayers, parseDocument } from "./document.ts";

test("YAML and JSON give the same tree, by every ending", () => {
  const expected = { server: { addr: ":8000", ports: [1, 2], tls: false, note: null } };
  const yaml = "server:\n  addr: ':8000'\n  ports: [1, 2]\n  tls: false\n  note:\n";
  for (const name of ["a.yaml", "a.yml", "A.YAML"]) assert.deepEqual(parseDocument(name, yaml).over({}), expected);
  assert.deepEqual(parseDocument("a.json", JSON.stringify(expected)).over({}), expected);
});

test("an empty file is an empty layer", () => {
  for (const text of ["", "\n", "# nothing\n", "null"])
    assert.deepEqual(parseDocument("a.yaml", text).over({ a: 1 }), { a: 1 });
});

test("maps are merged, anything else is replaced, also by nothing", () => {
  const under = { a: { b: 1, c: 2 }, list: [1, 2], scalar: 1, map: { x: 1 }, kept: 1 };
  const layer = parseDocument("a.yaml", "a: {b: 0}\nlist: []\nscalar: {y: 1}\nmap: ''\nkept: null\n");
  assert.deepEqual(layer.over(under), { a: { b: 0, c: 2 }, list: [], scalar: { y: 1 }, map: "", kept: null });
  assert.equal(under.a.b, 1);
});

test("anchors and merge keys of YAML work", () => {
  const text = "base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  b: 3\n";
  assert.deepEqual(parseDocument("a.yaml", text).over({}).other, { a: 1, b: 3 });
});

test("a syntax error is one line with file, line and column", () => {
  assert.throws(
    () => parseDocument("c/app.yaml", "server:\n  addr: [1, 2\nother: 1\n"),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "CLEW_CONFIG_SYNTAX");
      assert.match(error.message, /^c\/app\.yaml:\d+:\d+: not valid YAML: .+/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    },
  );
  assert.throws(() => parseDocument("a.yaml", "a: 1\na: 2\n"), /^Error: a\.yaml:2:1: not valid YAML: .*unique/);
  assert.throws(() => parseDocument("a.yaml", "a:\n\tb: 1\n"), /^Error: a\.yaml:2:1: not valid YAML/);
});

test("a .json file must be JSON, not only YAML", () => {
  assert.throws(() => parseDocument("a.json", '{"a": 1,\n "b": 2,\n}'), /^Error: a\.json:3:1: not valid JSON: /);
  assert.throws(() => parseDocument("a.json", "a: 1"), { code: "CLEW_CONFIG_SYNTAX" });
  assert.throws(() => parseDocument("a.json", '{"a": '), /^Error: a\.json:1:\d+: not valid JSON/);
  assert.throws(() => parseDocument("a.json", ""), { code: "CLEW_CONFIG_SYNTAX" });
});

test("what is no map of keys is refused", () => {
  assert.throws(
    () => parseDocument("a.yaml", "- 1\n"),
    /a\.yaml:1:1: a configuration must be a map of keys.*this is a list/,
  );
  assert.throws(() => parseDocument("a.yaml", "hello"), /this is the value "hello"/);
});

test("another ending is refused with those that work", () => {
  assert.throws(() => parseDocument("a.ini", ""), {
    code: "CLEW_CONFIG_FORMAT",
    message: "config a.ini has an unknown format; its name must end in .yaml, .yml, .json, .toml, .env",
  });
});

test("every key and item has its place", () => {
  const layer = parseDocument("a.yaml", "server:\n  http:\n    addr: x\n  list:\n    - a\n    - b: 1\n");
  assert.equal(layer.locate(["server"]), "a.yaml:1:1");
  assert.equal(layer.locate(["server", "http", "addr"]), "a.yaml:3:5");
  assert.equal(layer.locate(["server", "list", 1, "b"]), "a.yaml:6:7");
  assert.equal(layer.locate(["server", "grpc"]), undefined);
  assert.equal(layer.locate(["server", "list", 7]), undefined);
  assert.equal(parseDocument("a.json", '{\n  "a": 1}').locate(["a"]), "a.json:2:3");
});

test("a key called __proto__ changes no prototype", () => {
  const tree = parseDocument(
    "a.json",
    '{"__proto__": {"polluted": true}, "a": {"__proto__": {"polluted": true}}}',
  ).over({ a: { b: 1 } });
  assert.equal((tree as { polluted?: boolean }).polluted, undefined);
  assert.equal((tree.a as { polluted?: boolean }).polluted, undefined);
});

test("an alias bomb is refused", () => {
  let text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (let n = 1; n < 9; n += 1) text += `a${n}: &a${n} [${`*a${n - 1},`.repeat(10)}]\n`;
  assert.throws(() => parseDocument("a.yaml", text), { code: "CLEW_CONFIG_SYNTAX" });
});

test("joined layers are one: the last wins, and is the place", () => {
  const joined = joinLayers([createLayer("one", { a: 1, b: 1 }), createLayer("two", { b: 2 })]);
  assert.deepEqual(joined.over({ c: 0 }), { a: 1, b: 2, c: 0 });
  assert.equal(joined.locate(["a"]), "one");
  assert.equal(joined.locate(["b"]), "two");
  assert.equal(joined.locate(["c"]), undefined);
});
