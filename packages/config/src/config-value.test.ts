import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "./config.ts";
import { createLayer } from "./document.ts";
import type { Source } from "./source.ts";
import type { Tree } from "./tree.ts";

const values = {
  server: { port: "8000", addr: ":1", debug: "true", timeout: "1m30s", size: "4KiB", ratio: 0.5, none: null },
  hosts: ["a", "b"],
  db: { password: "hunter2" },
};

test("a value is read in the kind that is wanted; text that says one is taken as one", async () => {
  const config = await loadConfig({ sources: [sourceOf(values)] });
  assert.equal(config.value("server.port").integer(), 8_000);
  assert.equal(config.value("server.port").text(), "8000");
  assert.equal(config.value("server.ratio").number(), 0.5);
  assert.equal(config.value("server.debug").boolean(), true);
  assert.equal(config.value("server.timeout").durationMs(), 90_000);
  assert.equal(config.value("server.size").sizeBytes(), 4_096);
  assert.deepEqual(config.value("hosts").list(), ["a", "b"]);
  assert.deepEqual(config.value("hosts.1").text(), "b");
  assert.equal(config.value("server").map().addr, ":1");
  assert.equal(config.value("server.addr").raw, ":1");
  assert.ok(config.value("server").exists && !config.value("server.none").exists && !config.value("x.y").exists);
});

test("what is missing is an error, or what is given for that case", async () => {
  const config = await loadConfig({ sources: [sourceOf(values)] });
  assert.throws(() => config.value("server.nothing").text(), {
    code: "CLEW_CONFIG_KEY",
    message: "the configuration has no key server.nothing: set it, or give a fallback value where it is read",
  });
  assert.equal(config.value("server.none").integer(5), 5);
  assert.equal(config.value("x").boolean(false), false);
  assert.deepEqual(config.value("x").list([]), []);
});

test("a value of another kind is an error with its place, and a secret is not shown", async () => {
  const config = await loadConfig({ sources: [sourceOf(values)] });
  assert.throws(() => config.value("server.addr").number(), {
    code: "CLEW_CONFIG_TYPE",
    message: 'test: server.addr must be a number, not ":1"',
  });
  assert.throws(() => config.value("server").text(), { message: "test: server must be a string, not a map" });
  assert.throws(() => config.value("hosts").durationMs(), { message: "test: hosts must be a duration, not a list" });
  assert.throws(() => config.value("server.ratio").integer(), /must be a whole number, not 0\.5/);
  assert.throws(() => config.value("db.password").number(), {
    message: "test: db.password must be a number, not the value given (hidden: the key names a secret)",
  });
});

function sourceOf(tree: Tree): Source {
  return { name: "test", load: async () => createLayer("test", tree) };
}
