import assert from "node:assert/strict";
import { test } from "node:test";
import { TraceState } from "./trace-state.ts";

test("entries keep their order, without the white space around them", () => {
  const state = TraceState.parse("rojo=00f067aa0ba902b7 \t,\t congo=t61rcWkgMzE,, 1a-2f@foo=bar1 ");
  assert.equal(state?.serialize(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,1a-2f@foo=bar1");
  assert.equal(state?.get("congo"), "t61rcWkgMzE");
  assert.equal(state?.get("none"), undefined);
});

test("a value may hold spaces inside", () => {
  assert.equal(TraceState.parse("a= b  c ")?.get("a"), " b  c");
});

test("blanks are passed over in linear time", () => {
  const blanks = " \t".repeat(2_000_000);
  assert.equal(TraceState.parse(`a=1,${blanks}x${blanks}`), undefined);
  assert.equal(TraceState.parse(`${blanks}a=1${blanks},${blanks}`)?.serialize(), "a=1");
});

test("one entry that breaks the rules discards the header", () => {
  const bad = [
    "foo =1",
    "FOO=1",
    "foo.bar=1",
    "=1",
    "foo",
    "foo=",
    "foo=a=b",
    "foo=\u00e9",
    "foo=a\tb",
    `${"z".repeat(257)}=1`,
  ];
  for (const header of [...bad, `a=${"v".repeat(257)}`, "@a=1"]) {
    assert.equal(TraceState.parse(`good=1,${header}`), undefined, header);
  }
  assert.ok(TraceState.parse(`${"z".repeat(256)}=1`), "256 characters are allowed");
});

test("an empty header says nothing", () => {
  for (const header of ["", " ", ",", ", ,"]) assert.equal(TraceState.parse(header), undefined);
});

test("of a key that comes twice the first counts: it is the newest", () => {
  assert.equal(TraceState.parse("a=1,b=2,a=3")?.serialize(), "a=1,b=2");
});

test("32 entries are taken, 33 are not", () => {
  const entries = Array.from({ length: 33 }, (_, index) => `k${index}=v`);
  assert.equal(TraceState.parse(entries.slice(1).join(","))?.serialize(), entries.slice(1).join(","));
  assert.equal(TraceState.parse(entries.join(",")), undefined);
});

test("beyond 512 characters long entries go first, then the oldest, whole ones always", () => {
  const long = `long=${"v".repeat(200)}`;
  const short = Array.from({ length: 30 }, (_, index) => `key${index + 10}=123456`);
  const kept = TraceState.parse([short[0], long, ...short.slice(1)].join(","))!.serialize();
  assert.equal(kept, short.join(","), "without the long one it fits");
  const half = (key: string): string => `${key}=${"v".repeat(99)}`;
  assert.equal(
    TraceState.parse(["a", "b", "c", "d", "e", "f"].map(half).join(","))!.serialize(),
    ["a", "b", "c", "d", "e"].map(half).join(","),
  );
});

test("a new entry stands in front, and an old one of its key goes", () => {
  const state = TraceState.parse("a=1,b=2")!;
  assert.equal(state.set("b", "3").serialize(), "b=3,a=1");
  assert.equal(state.set("c", "4").unset("a").serialize(), "c=4,b=2");
  assert.equal(state.serialize(), "a=1,b=2", "the old one stays as it was");
  assert.equal(state.set("B", "3"), state);
  assert.equal(state.set("b", "3,4"), state);
  assert.equal(TraceState.empty.set("a", "1").serialize(), "a=1");
});

test("with 32 entries a new one pushes the oldest out", () => {
  const entries = Array.from({ length: 32 }, (_, index) => `k${index}=v`);
  const state = TraceState.parse(entries.join(","))!.set("new", "1");
  assert.equal(state.serialize(), ["new=1", ...entries.slice(0, 31)].join(","));
});
