import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bind, Context, createKey, current, type Holder, run, runHolder, snapshot } from "./context.ts";

const user = createKey<string>("user");
const depth = createKey<number>("depth");

test("setting a value leaves the old context as it was", () => {
  const one = Context.root.setValue(user, "ann");
  const two = one.setValue(user, "ben").setValue(depth, 2);
  assert.equal(Context.root.getValue(user), undefined);
  assert.equal(one.getValue(user), "ann");
  assert.equal(two.getValue(user), "ben");
  assert.equal(two.getValue(depth), 2);
});

test("a deleted value is gone from the new context only", () => {
  const one = Context.root.setValue(user, "ann");
  assert.equal(one.deleteValue(user).getValue(user), undefined);
  assert.equal(one.getValue(user), "ann");
});

test("keys with the same description are different keys", () => {
  assert.equal(Context.root.setValue(user, "ann").getValue(createKey<string>("user")), undefined);
});

test("the current context is the root outside of any run, and again after one", () => {
  assert.equal(current(), Context.root);
  run(Context.root.setValue(user, "ann"), () => assert.equal(current().getValue(user), "ann"));
  assert.equal(current(), Context.root);
});

test("run passes arguments on and returns what the function returns", () => {
  assert.equal(
    run(Context.root, (a: number, b: number) => a + b, 2, 3),
    5,
  );
});

test("the context flows through awaits, timers and Promise.all, and flows do not mix", async () => {
  const seen = await Promise.all(
    ["ann", "ben"].map((name) =>
      run(Context.root.setValue(user, name), async () => {
        await sleep(5);
        const inner = await Promise.all([1, 2].map((ms) => sleep(ms).then(() => current().getValue(user))));
        return [current().getValue(user), ...inner];
      }),
    ),
  );
  assert.deepEqual(seen, [
    ["ann", "ann", "ann"],
    ["ben", "ben", "ben"],
  ]);
});

test("a bound listener runs in the context it was bound in, with its own this and arguments", () => {
  const emitter = new EventEmitter();
  const seen: unknown[] = [];
  run(Context.root.setValue(user, "ann"), () => {
    emitter.on(
      "event",
      bind(function (this: unknown, value: number) {
        seen.push(this === emitter, value, current().getValue(user));
      }),
    );
  });
  run(Context.root.setValue(user, "ben"), () => emitter.emit("event", 7));
  assert.deepEqual(seen, [true, 7, "ann"]);
});

test("a snapshot restores the context it was taken in", () => {
  const restore = run(Context.root.setValue(user, "ann"), snapshot);
  assert.equal(
    restore(() => current().getValue(user)),
    "ann",
  );
});

test("a holder's flow sees the context its owner put in place", async () => {
  const holder: Holder = { context: Context.root };
  await runHolder(holder, async () => {
    assert.equal(current(), Context.root);
    holder.context = holder.context.setValue(user, "ann");
    await sleep(1);
    assert.equal(current().getValue(user), "ann");
  });
});
