// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this
import assert from "node:assert/strict";
import { test } from "node:test";
import { env } from "./env.ts";
import type { Tree } from "./tree.ts";
import { UnquotedText } from "./tree.ts";

async function over(tree: Tree, prefix: string, variables: Record<string, string>): Promise<Tree> {
  return (await env(prefix, { variables }).load()).over(tree);
}

test("a variable sets the nested key that it spells, in any case", async () => {
  const tree = { server: { http: { addr: ":8000", keep: 1 } } };
  const expected = { server: { http: { addr: ":9000", keep: 1 } } };
  assert.deepEqual(await over(tree, "", { SERVER_HTTP_ADDR: ":9000" }), expected);
  assert.deepEqual(await over(tree, "", { server_http_addr: ":9000" }), expected);
  assert.deepEqual(await over(tree, "USER_", { USER_SERVER_HTTP_ADDR: ":9000" }), expected);
  assert.deepEqual(await over(tree, "user_", { USER_SERVER_HTTP_ADDR: ":9000" }), expected);
  assert.deepEqual(tree.server.http.addr, ":8000");
});

test("keys with words in them are matched, however they are written", async () => {
  for (const key of ["readTimeout", "read_timeout", "read-timeout"]) {
    assert.deepEqual(await over({ server: { [key]: "1s" } }, "", { SERVER_READ_TIMEOUT: "2s" }), {
      server: { [key]: "2s" },
    });
  }
  const both = { server: { read: { timeout: "1s" }, readTimeout: "1s" } };
  assert.deepEqual(await over(both, "", { SERVER_READ_TIMEOUT: "2s" }), {
    server: { read: { timeout: "1s" }, readTimeout: "2s" },
  });
  // The longest match leads nowhere here, so the shorter one counts.
  const detour = { aB: { x: "1" }, a: { b: { y: "1" } } };
  assert.deepEqual(await over(detour, "", { A_B_Y: "2" }), { aB: { x: "1" }, a: { b: { y: "2" } } });
});

test("without a prefix, variables that match no value are left alone", async () => {
  const tree = { path: { a: 1 }, server: { addr: ":1" } };
  assert.deepEqual(await over(tree, "", { PATH: "/bin", HOME: "/root", SERVER_OTHER: "x" }), tree);
});

test("with a prefix, new keys are made: a level at each _, or at each __", async () => {
  assert.deepEqual(await over({}, "APP_", { APP_DATA_DSN: "x", OTHER: "y" }), { data: { dsn: "x" } });
  assert.deepEqual(await over({}, "APP_", { APP_DATA__MAX_OPEN: "3" }), { data: { max_open: "3" } });
  assert.deepEqual(await over({ dataBase: { a: 1 } }, "APP_", { APP_DATABASE_DSN: "x" }), {
    dataBase: { a: 1, dsn: "x" },
  });
});

test("a variable cannot replace a whole map: the error names keys that work", async () => {
  await assert.rejects(over({ server: { addr: ":1" } }, "APP_", { APP_SERVER: "x" }), {
    code: "CLEW_CONFIG_VARIABLE",
    message:
      'environment variable APP_SERVER would replace all of "server"; set one of its keys instead: APP_SERVER_ADDR',
  });
});

test("a value takes the form of the one it replaces", async () => {
  const tree = { n: 1, b: true, s: "1", list: ["a"], numbers: [1], u: new UnquotedText("${X:1}"), empty: null };
  const set = (variables: Record<string, string>): Promise<Tree> => over(tree, "", variables);
  assert.equal((await set({ N: "2.5" })).n, 2.5);
  assert.equal((await set({ N: "many" })).n, "many");
  assert.equal((await set({ B: "false" })).b, false);
  assert.equal((await set({ B: "1" })).b, "1");
  assert.equal((await set({ S: "00123" })).s, "00123");
  assert.equal((await set({ U: "3" })).u, 3);
  assert.equal((await set({ EMPTY: "3" })).empty, "3");
  assert.deepEqual((await set({ LIST: "x, y" })).list, ["x", "y"]);
  assert.deepEqual((await set({ LIST: "" })).list, []);
  assert.deepEqual((await set({ NUMBERS: "2,3" })).numbers, [2, 3]);
  assert.deepEqual((await set({ LIST: '["a,b"]' })).list, ["a,b"]);
  assert.deepEqual((await set({ LIST: "[broken" })).list, "[broken");
});

test("the variable is named as the place of its key, and found by placeholders without its prefix", async () => {
  const layer = await env("APP_", { variables: { APP_SERVER_ADDR: ":1", APP_TOKEN: "t" } }).load();
  layer.over({});
  assert.equal(layer.locate(["server", "addr"]), "environment variable APP_SERVER_ADDR");
  assert.equal(layer.locate(["server"]), undefined);
  assert.equal(layer.lookup?.("TOKEN"), "t");
  assert.equal(layer.lookup?.("APP_TOKEN"), undefined);
});

test("odd names set nothing", async () => {
  assert.deepEqual(await over({ a: 1 }, "", { _: "x", __: "y", "": "z" }), { a: 1 });
  assert.deepEqual(await over({ a: 1 }, "APP_", { APP_: "x", APP__: "y", APP___proto__: "z" }), { a: 1, proto: "z" });
});
