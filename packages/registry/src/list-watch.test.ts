import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceOf } from "../test/fakes.ts";
import type { Instance } from "./instance.ts";
import { ListWatch } from "./list-watch.ts";

const a = instanceOf("a", "grpc://a:1");
const b = instanceOf("b", "grpc://b:1");

/** A watch that is fed by hand, and how often its feed was begun and ended. */
function start(): { watch: ListWatch; end: AbortController; fed: string[] } {
  const end = new AbortController();
  const fed: string[] = [];
  const watch = new ListWatch("user", end.signal, () => {
    fed.push("begun");
    return () => fed.push("ended");
  });
  return { watch, end, fed };
}

const ids = ({ value }: IteratorResult<readonly Instance[], void>): string =>
  (value as readonly Instance[]).map(({ id }) => id).join();

test("a reader that is slow gets the newest list, and one that is the same as before is none", async () => {
  const { watch } = start();
  const reader = watch[Symbol.asyncIterator]();
  const first = reader.next();
  watch.push([a]);
  assert.equal(ids(await first), "a");
  watch.push([a, b]);
  watch.push([b]);
  assert.equal(ids(await reader.next()), "b");
  const next = reader.next();
  watch.push([b]);
  await new Promise((resolve) => setImmediate(resolve));
  watch.push([a]);
  assert.equal(ids(await next), "a");
});

test("what failed is told after the list that came before it, and ends the feed", async () => {
  const { watch, fed } = start();
  const reader = watch[Symbol.asyncIterator]();
  watch.push([a]);
  watch.fail(new Error("cut off"));
  watch.push([b]);
  assert.equal(ids(await reader.next()), "a");
  await assert.rejects(reader.next(), { message: "cut off" });
  assert.deepEqual(fed, ["begun", "ended"]);
  assert.equal((await reader.next()).done, true);
});

test("the feed begins with the first look and ends with the signal, or when the reader goes", async () => {
  const aborted = start();
  assert.deepEqual(aborted.fed, []);
  const reader = aborted.watch[Symbol.asyncIterator]();
  const waiting = reader.next();
  assert.deepEqual(aborted.fed, ["begun"]);
  aborted.end.abort();
  assert.equal((await waiting).done, true);
  assert.deepEqual(aborted.fed, ["begun", "ended"]);

  const left = start();
  left.watch.push([a]);
  for await (const _ of left.watch) break;
  assert.deepEqual(left.fed, ["begun", "ended"]);
});

test("a watch has one reader", async () => {
  const { watch } = start();
  watch.push([a]);
  await watch[Symbol.asyncIterator]().next();
  await assert.rejects(watch[Symbol.asyncIterator]().next(), {
    code: "CLEW_REGISTRY_WATCH",
    message: 'a watch of "user" can be read only once; start another watch for another reader',
  });
});
