import assert from "node:assert/strict";
import { test } from "node:test";
import { flags } from "./flags.ts";
import { type Schema, schemaOf } from "./schema.ts";
import type { Tree } from "./tree.ts";

async function over(tree: Tree, args: readonly string[], schema?: Schema<unknown>, own: string[] = []): Promise<Tree> {
  return (await flags({ args, own }).load()).over(tree, schema?.["~standard"].shape);
}

const tree = {
  server: { http: { addr: ":1", readTimeout: "1s" } },
  port: 1,
  debug: false,
  hosts: ["a"],
  items: [{ x: 1 }],
};

test("a flag sets the key that it names, in both forms and however the key is written", async () => {
  assert.deepEqual(await over({ a: { b: ":1" } }, ["--a.b=:8000"]), { a: { b: ":8000" } });
  assert.deepEqual(await over({ a: { b: ":1" } }, ["--a.b", ":8000", "more"]), { a: { b: ":8000" } });
  assert.deepEqual(await over({ a: { b: ":1" } }, ["--A.B=x=y"]), { a: { b: "x=y" } });
  for (const name of ["server.http.read-timeout", "server.http.readTimeout", "server.http.read_timeout"]) {
    const { server } = (await over(tree, [`--${name}=2s`])) as typeof tree;
    assert.deepEqual(server.http, { addr: ":1", readTimeout: "2s" });
  }
  assert.equal(tree.server.http.readTimeout, "1s");
});

test("values take the form of what they replace, or of what the schema wants", async () => {
  assert.equal((await over(tree, ["--port", "9"])).port, 9);
  assert.deepEqual((await over(tree, ["--hosts=b,c"])).hosts, ["b", "c"]);
  assert.deepEqual((await over(tree, ["--hosts", "b", "--hosts", "c"])).hosts, ["b", "c"]);
  assert.deepEqual((await over(tree, ["--items.0.x=5"])).items, [{ x: 5 }]);
  assert.equal((await over(tree, ["--port=1", "--port=2"])).port, 2);
  const schema = schemaOf({ server: { port: 1, name: "", tls: false } });
  assert.deepEqual(await over({}, ["--server.port=7", "--server.name=7", "--server.tls"], schema), {
    server: { port: 7, name: "7", tls: true },
  });
});

test("a switch needs no value, and takes none from the next argument", async () => {
  assert.equal((await over(tree, ["--debug", "file.txt"])).debug, true);
  assert.equal((await over({ debug: true }, ["--no-debug"])).debug, false);
  assert.equal((await over(tree, ["--debug=true"])).debug, true);
  await assert.rejects(over(tree, ["--no-port"]), { code: "CLEW_CONFIG_FLAG" });
});

test("what is no flag is left to the program, and so are its own flags and what follows --", async () => {
  const own = ["conf", "watch"];
  assert.deepEqual(
    await over(tree, ["run", "-v", "--conf", "x.yaml", "--watch", "--", "--nonsense"], undefined, own),
    tree,
  );
});

test("an unknown flag is an error that names the nearest", async () => {
  await assert.rejects(over(tree, ["--server.http.adr=:1"]), {
    code: "CLEW_CONFIG_FLAG",
    message: "flag --server.http.adr is unknown; did you mean --server.http.addr?",
  });
  await assert.rejects(
    over(tree, ["--x"]),
    /is unknown; known: --debug, --hosts, --items, --port, --server\.http\.addr/,
  );
  await assert.rejects(over({}, ["--x=1"]), /no key is known: give loadConfig a schema/);
  const schema = schemaOf({ server: { address: "" } });
  await assert.rejects(over({}, ["--server.adress=1"], schema), /did you mean --server\.address\?/);
});

test("a map cannot be set, and a value must be there", async () => {
  await assert.rejects(over(tree, ["--server.http=x"]), {
    message:
      "flag --server.http would replace a whole map; set one of its keys instead: --server.http.addr, --server.http.readTimeout",
  });
  await assert.rejects(over(tree, ["--port"]), { message: "flag --port needs a value: --port=VALUE" });
  await assert.rejects(over(tree, ["--port", "--debug"]), /needs a value/);
});

test("the flag is named as the place of its key", async () => {
  const layer = await flags({ args: ["--port=9"] }).load();
  layer.over(tree);
  assert.equal(layer.locate(["port"]), "flag --port");
  assert.equal(layer.locate(["debug"]), undefined);
});
