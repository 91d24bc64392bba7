// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this
import assert from "node:assert/strict";
import { test } from "node:test";
import { fillPlaceholders } from "./placeholder.ts";
import { formatPath, type Tree, UnquotedText } from "./tree.ts";

const sources = {
  lookup: (name: string) => ({ HOST: "db", PORT: "5432", NESTED: "${HOST}" })[name],
  locate: () => "a.yaml:1:1",
};

function fill(tree: Tree): Tree {
  return fillPlaceholders(tree, sources);
}

function fillOne(text: string, rest: Tree = {}): unknown {
  return fill({ ...rest, value: text }).value;
}

test("names are found in the sources, in the tree by their dotted key, and by default", () => {
  assert.equal(fillOne("${HOST}"), "db");
  assert.equal(fillOne("tcp://${HOST}:${PORT}/x"), "tcp://db:5432/x");
  assert.equal(fillOne("${server.name}", { server: { name: "s" } }), "s");
  assert.equal(fillOne("${NONE:fallback}"), "fallback");
  assert.equal(fillOne("${NONE:}"), "");
  assert.equal(fillOne("${NONE:0.0.0.0:8000}"), "0.0.0.0:8000");
  assert.equal(fillOne("${HOST:unused}"), "db");
  assert.equal(fillOne("${HOST}", { HOST: "tree" }), "tree");
});

test("they are filled in lists and maps at any depth, and the given tree stays", () => {
  const tree = { a: [{ b: "${HOST}" }, "${HOST}"], n: 1 };
  assert.deepEqual(fill(tree), { a: [{ b: "db" }, "db"], n: 1 });
  assert.deepEqual(tree.a[1], "${HOST}");
});

test("defaults and found values of the tree are filled too; a source's text is taken as it is", () => {
  assert.equal(fillOne("${NONE:${HOST}:${PORT}}"), "db:5432");
  assert.equal(fillOne("${NONE:${ALSO_NONE:x}}"), "x");
  assert.equal(fillOne("${a}", { a: "${b}", b: "${HOST}" }), "db");
  assert.equal(fillOne("${NESTED}"), "${HOST}");
});

test("a value that is one placeholder takes over the tree's value with its type", () => {
  assert.equal(fillOne("${n}", { n: 7 }), 7);
  assert.deepEqual(fillOne("${m}", { m: { a: ["${HOST}"] } }), { a: ["db"] });
  assert.equal(fillOne("n=${n} ${t}", { n: 7, t: null }), "n=7 ");
});

test("text without quotes is read as YAML once it is filled; text with quotes is text", () => {
  const read = (text: string): unknown => fill({ value: new UnquotedText(text) }).value;
  assert.equal(read("${PORT}"), 5432);
  assert.equal(read("1${PORT}"), 15432);
  assert.equal(read("${NONE:true}"), true);
  assert.equal(read("${NONE:null}"), null);
  assert.equal(read("${NONE:}"), "");
  assert.equal(read("${NONE:-1.5e3}"), -1500);
  assert.equal(read("${HOST}"), "db");
  assert.equal(fillOne("${PORT}"), "5432");
});

test("$${ stands for a plain ${, and a $ alone for itself", () => {
  assert.equal(fillOne("$${HOST} ${HOST}"), "${HOST} db");
  assert.equal(fillOne("$5 $HOST"), "$5 $HOST");
  assert.equal(fillOne("a}b"), "a}b");
});

test("a name that nobody knows is an error with its place and what would work", () => {
  assert.throws(() => fill({ a: { list: ["x ${NONE}"] } }), {
    code: "CLEW_CONFIG_PLACEHOLDER",
    message:
      "a.yaml:1:1: a.list[0] uses ${NONE}, which is neither a key of the configuration nor a variable of a source: set it, or give a default as in ${NONE:default}",
  });
});

test("circles, open and empty placeholders, and maps inside text are errors", () => {
  assert.throws(() => fill({ a: "${b}", b: "${a}" }), /placeholders refer to each other in a circle: b -> a -> b/);
  assert.throws(() => fill({ a: "${a}" }), /circle: a -> a/);
  assert.throws(() => fill({ m: { a: "${m}" } }), /circle/);
  assert.throws(() => fillOne("${HOST"), /a placeholder is not closed/);
  assert.throws(() => fillOne("${}"), /a placeholder has no name/);
  assert.throws(() => fillOne("${:x}"), /a placeholder has no name/);
  assert.throws(() => fillOne("x${m:1}", { m: { a: 1 } }), /puts \$\{m\} inside a string, but "m" is a map or a list/);
});

test("a path is written as people write it", () => {
  assert.equal(formatPath(["hosts", 0, "name"]), "hosts[0].name");
});
