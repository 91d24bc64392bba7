import assert from "node:assert/strict";
import { test } from "node:test";
import { Resources } from "./resources.ts";

test("what was opened is closed in reverse order, each once: by its function, or as it disposes of itself", async () => {
  const events: string[] = [];
  const resources = new Resources();
  const db = await resources.use(Promise.resolve({ name: "db" }), (one) => void events.push(`close ${one.name}`));
  assert.equal(db.name, "db");
  await resources.use({ [Symbol.asyncDispose]: async () => void events.push("dispose async") });
  await resources.use({ [Symbol.dispose]: () => void events.push("dispose") });
  resources.defer(() => events.push("deferred"));
  await Promise.all([resources.close(), resources.close()]);
  await resources[Symbol.asyncDispose]();
  assert.deepEqual(events, ["deferred", "dispose", "dispose async", "close db"]);
});

test("a resource needs a way to be closed", () => {
  const resources = new Resources();
  // @ts-expect-error: a map cannot be closed
  const wrong = (): unknown => resources.use(new Map());
  assert.equal(typeof wrong, "function");
});

test("an opening that fails closes nothing of its own", async () => {
  const events: string[] = [];
  const resources = new Resources();
  await resources.use({}, () => events.push("first"));
  await assert.rejects(
    resources.use(Promise.reject(new Error("no database")), () => events.push("never")),
    {
      message: "no database",
    },
  );
  await resources.close();
  assert.deepEqual(events, ["first"]);
});

test("all are closed whatever fails or hangs, and every failure is reported", async () => {
  const events: string[] = [];
  const resources = new Resources();
  await resources.use({}, () => events.push("closed"));
  resources.defer(() => {
    throw new Error("1");
  });
  resources.defer(() => new Promise(() => {}));
  await assert.rejects(resources.close(5), {
    name: "AggregateError",
    message: "resources: 2 failures: closing a resource took longer than stopTimeoutMs (5 ms); 1",
  });
  assert.deepEqual(events, ["closed"]);

  const one = new Resources();
  one.defer(() => Promise.reject(new Error("alone")));
  await assert.rejects(one.close(), { message: "alone" });
});

test("what opens too late is closed at once", async () => {
  const events: string[] = [];
  const resources = new Resources();
  const late = Promise.withResolvers<string>();
  const using = resources.use(late.promise, (name) => events.push(name));
  await resources.close();
  late.resolve("late");
  await assert.rejects(using, { code: "CLEW_APP_RESOURCES" });
  assert.deepEqual(events, ["late"]);
  assert.throws(() => resources.defer(() => {}), { code: "CLEW_APP_RESOURCES" });
});
