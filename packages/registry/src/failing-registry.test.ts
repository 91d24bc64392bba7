import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceOf } from "../test/fakes.ts";
import { FailingRegistry } from "./failing-registry.ts";
import type { Instance } from "./instance.ts";
import { testRegistry } from "./registry.contract.ts";

testRegistry("FailingRegistry without a cue", () => ({ registry: new FailingRegistry() }));

const user = instanceOf("1", "grpc://127.0.0.1:9000");

async function nextIds(watch: AsyncIterator<readonly Instance[]>): Promise<string> {
  const { value } = await watch.next();
  return (value as readonly Instance[]).map(({ id }) => id).join();
}

test("each operation fails on cue, so many times or until it is healed", async () => {
  const registry = new FailingRegistry();
  registry.fail("register", new Error("no leader"), 2);
  await assert.rejects(registry.register(user), { message: "no leader" });
  await assert.rejects(registry.register(user), { message: "no leader" });
  await registry.register(user);
  registry.fail("list");
  registry.fail("deregister");
  await assert.rejects(registry.list("user"), { message: "list fails on command" });
  await assert.rejects(registry.deregister(user), { message: "deregister fails on command" });
  registry.heal();
  assert.deepEqual(await registry.list("user"), [user]);
  await registry.deregister(user);
  assert.deepEqual(
    registry.calls.map(({ operation }) => operation),
    ["register", "register", "register", "list", "deregister", "list", "deregister"],
  );
});

test("open watches fail on cue, and so do new ones until it is healed", async () => {
  const registry = new FailingRegistry();
  await registry.register(user);
  const { signal } = new AbortController();
  const watch = registry.watch("user", signal)[Symbol.asyncIterator]();
  assert.equal(await nextIds(watch), "1");
  registry.fail("watch", new Error("cut off"));
  await assert.rejects(watch.next(), { message: "cut off" });
  await assert.rejects(registry.watch("user", signal)[Symbol.asyncIterator]().next(), { message: "cut off" });
  registry.heal();
  assert.equal(await nextIds(registry.watch("user", signal)[Symbol.asyncIterator]()), "1");
});

test("an empty registry tells of nobody until it is healed", async () => {
  const registry = new FailingRegistry();
  await registry.register(user);
  const watch = registry.watch("user", new AbortController().signal)[Symbol.asyncIterator]();
  assert.equal(await nextIds(watch), "1");
  registry.empty();
  assert.equal(await nextIds(watch), "");
  assert.deepEqual(await registry.list("user"), []);
  registry.heal();
  assert.equal(await nextIds(watch), "1");
});

test("what is held goes on when it is healed, or ends with its signal", async () => {
  const registry = new FailingRegistry();
  registry.hold("register");
  registry.hold("watch");
  const limit = new AbortController();
  const given = registry.register(user, limit.signal);
  limit.abort(new Error("too long"));
  await assert.rejects(given, { message: "too long" });
  const held = registry.register(user);
  const first = nextIds(registry.watch("user", new AbortController().signal)[Symbol.asyncIterator]());
  assert.deepEqual(await registry.list("user"), []);
  registry.heal();
  await held;
  await first;
  assert.deepEqual(await registry.list("user"), [user]);
});
