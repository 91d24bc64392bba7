import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Context, createKey, current, run } from "@clew/context";
import { createContextKey, ROOT_CONTEXT } from "@opentelemetry/api";
import { ContextManager } from "./context-manager.ts";

const manager = new ContextManager();
const key = createContextKey("test");
const ann = manager.active().setValue(key, "ann");

test("what is current for the framework is active for OpenTelemetry, and the other way round", async () => {
  const ownKey = createKey<string>("own");
  run(Context.root.setValue(ownKey, "x"), () => assert.equal(manager.active().getValue(ownKey), "x"));
  await manager.with(ann, async () => {
    await sleep(1);
    assert.equal(current().getValue(key), "ann");
  });
  assert.equal(manager.active(), Context.root);
});

test("with passes this and arguments on, and gives back the result", () => {
  const self = {};
  const result = manager.with(
    ann,
    function (this: unknown, a: number, b: number) {
      assert.equal(this, self);
      assert.equal(manager.active(), ann);
      return a + b;
    },
    self as never,
    2,
    3,
  );
  assert.equal(result, 5);
});

test("OpenTelemetry's root is ours", () => {
  manager.with(ann, () => manager.with(ROOT_CONTEXT, () => assert.equal(current(), Context.root)));
});

test("a context of OpenTelemetry's own kind flows as it is", () => {
  const foreign = ROOT_CONTEXT.setValue(key, "foreign");
  manager.with(foreign, () => {
    assert.equal(current().getValue(key), "foreign");
    assert.equal(current().setValue(createKey<number>("n"), 1).getValue(key), "foreign");
  });
});

test("a bound function runs in its context, with its own this and length", () => {
  const bound = manager.bind(ann, function (this: unknown, a: number, b: number): unknown[] {
    return [this, a + b, manager.active().getValue(key)];
  });
  const self = {};
  assert.deepEqual(bound.call(self, 1, 2), [self, 3, "ann"]);
  assert.equal(bound.length, 2);
});

test("a bound emitter runs its listeners in the context, and lets go of them", () => {
  const emitter = manager.bind(ann, new EventEmitter());
  const seen: unknown[] = [];
  const listener = (name: string): void => void seen.push(name, manager.active().getValue(key));
  emitter.on("a", listener);
  emitter.once("b", listener);
  emitter.prependListener("c", listener);
  for (const name of ["a", "b", "b", "c"]) emitter.emit(name, name);
  assert.deepEqual(seen, ["a", "ann", "b", "ann", "c", "ann"]);
  emitter.off("a", listener).removeListener("c", listener);
  assert.deepEqual(emitter.eventNames(), []);
  assert.equal(emitter.emit("a", "a"), false);
});

test("what is no function and no emitter stays as it is", () => {
  const thing = {};
  assert.equal(manager.bind(ann, thing), thing);
  assert.equal(manager.enable().disable(), manager);
});
